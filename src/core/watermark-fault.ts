/** Codes of a lane of which Kafka and the file tell different stories, until somebody decides. */
export const watermarkFaults = Object.freeze(['WATERMARK_AHEAD', 'WATERMARK_MISSING'] as const);

export type WatermarkFault = (typeof watermarkFaults)[number];

export function isWatermarkFault(code: string): code is WatermarkFault {
  return watermarkFaults.some((fault) => fault === code);
}
