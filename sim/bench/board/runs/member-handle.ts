/** A member of a run: its process, or the place of one that is dead. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { builtFile } from '../../../project-root.ts';
import { until } from '../replica.ts';
import { hostOf } from './orders.ts';
import type { MemberNews, MemberOrder } from './orders.ts';

type Omitted<T> = T extends { readonly i: number } ? Omit<T, 'i'> : never;

/** How long an answer may take: a strong request gives up after seconds by a clock that jumps half a minute. */
const ASK_MS = 120_000;

/** Where a member is, and what is wrong with it. */
export interface MemberInit {
  readonly folder: string;
  /** Of its run among those that go on at once. */
  readonly place: number;
  /** The fault that it has, or how else it is told that it has none; undefined: it can have none. */
  readonly planted: string | undefined;
}

/** A process, or the place of one that is dead. */
export class Member {
  readonly at: number;
  readonly host: string;
  did = '';
  address = '';
  isUp = false;
  /** Resolves once it is up again, if it was killed. */
  starting: Promise<void> = Promise.resolve();
  readonly #init: MemberInit;
  readonly #waiting = new Map<number, (news: MemberNews | undefined) => void>();
  #child: ChildProcess | undefined;
  #asked = 0;

  constructor(at: number, init: MemberInit) {
    this.at = at;
    this.host = hostOf(at, init.place);
    this.#init = init;
  }

  async start(others: readonly string[]): Promise<void> {
    // The same as before: who was cut off knows no other one.
    const port = this.address.split('/')[4] ?? '0';
    const { folder, place, planted } = this.#init;
    const program = planted === undefined ? 'bench-board-member.js' : 'planted/member.js';
    const args = [`${this.at}`, `${place}`, folder, planted ?? '', port, ...others];
    const child = fork(builtFile(program), args, { execArgv: [] });
    this.#child = child;
    let isEnded = false;
    child.on('exit', () => {
      isEnded = true;
      if (this.#child === child) this.#ended();
    });
    child.on('message', (news: MemberNews) => {
      if (news.t === 'up') {
        this.did = news.did;
        this.address = news.address;
        this.isUp = true;
      } else this.#waiting.get(news.i)?.(news);
    });
    await until(() => this.isUp || isEnded);
    if (isEnded) throw new Error(`member ${this.at} has ended by itself`);
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
    this.#ended();
  }

  /**
   * What came of an order; undefined where the process is not there, or dies before it says that.
   * @throws when the process lives and says nothing: whatever it was asked ends within seconds
   */
  ask(order: Omitted<MemberOrder>): Promise<Exclude<MemberNews, { t: 'up' }> | undefined> {
    if (!this.isUp) return Promise.resolve(undefined);
    const i = (this.#asked += 1);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(i);
        reject(new Error(`member ${this.at} has not answered '${order.t}' for ${ASK_MS / 1000} s`));
      }, ASK_MS);
      this.#waiting.set(i, (news) => {
        clearTimeout(timer);
        this.#waiting.delete(i);
        resolve(news?.t === 'up' ? undefined : news);
      });
      this.#tell({ ...order, i });
    });
  }

  cut(from: readonly string[], isParted = false): void {
    if (this.isUp) this.#tell({ t: 'cut', from, isParted });
  }

  slow(isSlow: boolean): void {
    if (this.isUp) this.#tell({ t: 'slow', isSlow });
  }

  jump(ms: number): void {
    if (this.isUp) this.#tell({ t: 'jump', ms });
  }

  #tell(order: MemberOrder): void {
    // Of a process that is about to be known to be dead there is no answer.
    this.#child?.send(order, () => undefined);
  }

  #ended(): void {
    this.isUp = false;
    for (const resolve of this.#waiting.values()) resolve(undefined);
    this.#waiting.clear();
  }
}
