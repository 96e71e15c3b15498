/** The schema's complaints in this project's words. */
import type { z } from 'zod';

/** e.g. `must be 1 or more` */
export function problemOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${typeNames[issue.expected] ?? issue.expected}`;
    case 'too_small':
      return sizeProblem(issue.origin, issue.minimum, 'or more');
    case 'too_big':
      return sizeProblem(issue.origin, issue.maximum, 'or less');
    case 'invalid_value':
      return `must be ${issue.values.map((value) => `"${String(value)}"`).join(', ')}`;
    case 'invalid_format':
      return issue.format === 'url' ? issue.message : 'is malformed';
    default:
      return issue.message;
  }
}

const typeNames: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'options by name',
};

function sizeProblem(origin: string, bound: number | bigint, side: string): string {
  if (origin === 'string') return `must have ${bound} characters ${side}`;
  if (origin === 'array') return `must have ${bound} entries ${side}`;
  return `must be ${bound} ${side}`;
}
