/** A clock for tests: time passes only when the test says so. */
import { mock } from 'node:test';

export class StoppedClock implements Disposable {
  #now = 0;

  constructor() {
    mock.timers.enable({ apis: ['setTimeout'] });
    mock.method(performance, 'now', () => this.#now);
  }

  /** Whatever was waiting for its time goes on, and has gone on when this resolves. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1) {
      this.#now += 1;
      mock.timers.tick(1);
      await this.settle();
    }
  }

  /** What can go on without time, or a file, goes on. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  [Symbol.dispose](): void {
    mock.reset();
  }
}
