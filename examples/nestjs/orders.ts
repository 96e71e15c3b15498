/** `POST /orders` writes the row and its event in one transaction. */
import {
  Body,
  ConflictException,
  Controller,
  Inject,
  Injectable,
  Module,
  ParseFloatPipe,
  Post,
} from '@nestjs/common';
import type { Database } from 'better-sqlite3';
import type { Outbox } from 'outbox-relay';
import { DATABASE, OUTBOX, OutboxModule } from './outbox.module.ts';

class OrdersService {
  readonly #db: Database;
  readonly #outbox: Outbox;

  constructor(db: Database, outbox: Outbox) {
    this.#db = db;
    this.#outbox = outbox;
  }

  /** Synchronous, so that no other request comes between its BEGIN and its COMMIT. */
  place(total: number): number {
    return this.#outbox.transaction(() => {
      const insert = this.#db.prepare('INSERT INTO orders (total) VALUES (?)');
      const id = Number(insert.run(total).lastInsertRowid);
      this.#outbox.enqueue({ topic: 'orders', key: `order-${id}`, value: { id, total } });
      if (total > 1_000) throw new ConflictException('over the limit'); // takes both with it
      return id;
    });
  }
}

class OrdersController {
  readonly #orders: OrdersService;

  constructor(orders: OrdersService) {
    this.#orders = orders;
  }

  create(total: number): { id: number } {
    return { id: this.#orders.place(total) }; // durable, whether Kafka is there or not
  }
}

export class OrdersModule {}

// Decorators as calls: see main.ts.
Injectable()(OrdersService);
Inject(DATABASE)(OrdersService, undefined, 0);
Inject(OUTBOX)(OrdersService, undefined, 1);

const { prototype } = OrdersController;
Controller('orders')(OrdersController);
Inject(OrdersService)(OrdersController, undefined, 0);
Body('total', ParseFloatPipe)(prototype, 'create', 0);
Post()(prototype, 'create', { value: prototype.create });

Module({
  imports: [OutboxModule],
  controllers: [OrdersController],
  providers: [OrdersService],
})(OrdersModule);
