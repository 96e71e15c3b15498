/**
 * NestJS with the relay in the same process.
 *
 * Node runs these files as they stand: it strips types but does not know decorators, so they are
 * called as the functions that they are, and tokens say what a constructor gets. Where a compiler
 * is there already (nest build), `Controller('orders')(OrdersController)` is written as
 * `@Controller('orders')` above the class; nothing else differs.
 */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { OrdersModule } from './orders.ts';

const { PORT = '3000' } = process.env;

// Any adapter will do: Express's is what NestFactory takes by itself.
const app = await NestFactory.create(OrdersModule, new FastifyAdapter());
// Without this SIGTERM ends the process at once: nothing is lost, but the relay does not stop
// cleanly, and what Kafka had just acknowledged may be sent again.
app.enableShutdownHooks(['SIGINT', 'SIGTERM']);
await app.listen(Number(PORT), '127.0.0.1');
console.log(`orders go to ${await app.getUrl()}/orders`);
