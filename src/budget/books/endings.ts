/**
 * Which budgets are over for ever, by the word of their founders: closed budgets whose rows nobody keeps any more. A row of
 * one that comes back, from whoever was away, is known by the date at which the budget was made, and refused.
 */
import { createHash } from 'node:crypto';
import { messageOf } from '../../core/index.ts';
import type { Did, Logger } from '../../core/index.ts';
import type { SuccessionView } from '../../grants/index.ts';
import type { FrequentSigner } from '../../identity/index.ts';
import type { Table } from '../../store/index.ts';
import {
  KEPT_MAX,
  endingIdOf,
  keptName,
  partOf,
  readEnding,
  signEnding,
} from '../rows/ending-format.ts';
import type { Ending } from '../rows/ending-format.ts';
import type { SignedRow } from './book-types.ts';

const KEY = 'over/';
const HASH_LENGTH = 16;

/** What the endings work with. */
export interface EndingsComponents {
  readonly table: Table;
  readonly signer: FrequentSigner;
  readonly successions: Pick<SuccessionView, 'origin'>;
  readonly logger: Logger;
}

/** A budget, as an ending speaks of it. */
export interface Dated {
  readonly id: string;
  readonly createdAt: number;
}

interface Kept extends Ending {
  readonly text: SignedRow;
}

/** The last ending of each founder and part. */
export class Endings {
  readonly #components: EndingsComponents;
  readonly #endings = new Map<string, Kept>();

  constructor(components: EndingsComponents) {
    this.#components = components;
  }

  /** Reads what was taken and said before. */
  async load(): Promise<void> {
    const { table, logger, successions } = this.#components;
    for await (const [key, bytes] of table.entries(KEY)) {
      const jws = Buffer.from(bytes).toString('utf8');
      try {
        this.#keep(readEnding(jws, successions).ending, jws);
      } catch (error) {
        // The founder's word comes again with the next exchange; until then the rows are gone already.
        logger.warn({ key, error: messageOf(error) }, 'skipped a damaged word on budgets');
      }
    }
  }

  /** Whether the founder has said that this budget is over. */
  isOver(founder: Did, { id, createdAt }: Dated): boolean {
    if (this.#endings.size === 0) return false;
    const ending = this.#endings.get(endingIdOf(founder, partOf(id)));
    return ending !== undefined && createdAt <= ending.until && !ending.kept.has(keptName(id));
  }

  /** A new budget of that founder is made after this, ms since the epoch. */
  newestOver(founder: Did): number {
    const own = [...this.#endings.values()].filter((one) => one.founder === founder);
    return Math.max(0, ...own.map(({ until }) => until));
  }

  ids(): IterableIterator<string> {
    return this.#endings.keys();
  }

  text(endingId: string): SignedRow | undefined {
    return this.#endings.get(endingId)?.text;
  }

  /** Whether this one would take the place of the one that is here. */
  isNews(ending: Ending, jws: string): boolean {
    const known = this.#endings.get(endingIdOf(ending.founder, ending.part));
    if (known === undefined) return true;
    // What is over stays so, whatever a founder says whose state folder was set back; all nodes end with the same one.
    if (ending.until !== known.until) return ending.until > known.until;
    if (ending.seq !== known.seq) return ending.seq > known.seq;
    return hashOf(jws) > known.text.hash;
  }

  /** Writes an ending whose signature holds, and lets it count. */
  async take(ending: Ending, jws: string): Promise<void> {
    const key = `${KEY}${ending.founder}/${ending.part}`;
    await this.#components.table.batch([{ key, value: Buffer.from(jws) }]);
    if (this.isNews(ending, jws)) this.#keep(ending, jws);
  }

  /** Says that budgets of `founder`, who is this node, are over; `kept` are all others of that founder. Gives the new endings' ids. */
  async say(
    founder: Did,
    over: readonly Dated[],
    kept: readonly Dated[],
  ): Promise<readonly string[]> {
    const said: string[] = [];
    for (const part of new Set(over.map(({ id }) => partOf(id)))) {
      const dates = over.filter((one) => partOf(one.id) === part).map((one) => one.createdAt);
      const id = await this.#say(founder, part, dates, kept);
      if (id !== undefined) said.push(id);
    }
    return said;
  }

  /**
   * Says that a budget of `founder`, who is this node, is none of those that are over, though its date is among theirs; `kept`
   * are all of that founder. Gives the new ending's id; undefined where it would have to name too many.
   */
  except(founder: Did, { id }: Dated, kept: readonly Dated[]): Promise<string | undefined> {
    return this.#say(founder, partOf(id), [], kept);
  }

  async #say(
    founder: Did,
    part: number,
    dates: readonly number[],
    kept: readonly Dated[],
  ): Promise<string | undefined> {
    const { signer, logger } = this.#components;
    const id = endingIdOf(founder, part);
    const known = this.#endings.get(id);
    const until = Math.max(known?.until ?? 0, ...dates);
    const names = kept
      .filter((one) => partOf(one.id) === part && one.createdAt <= until)
      .map((one) => keptName(one.id));
    if (names.length > KEPT_MAX) {
      logger.warn({ part, kept: names.length }, 'closed budgets stay: too many others are open');
      return undefined;
    }
    const ending = { founder, part, seq: (known?.seq ?? 0) + 1, until, kept: new Set(names) };
    await this.take(ending, signEnding(signer, ending));
    return id;
  }

  #keep(ending: Ending, jws: string): void {
    const { founder, part, seq } = ending;
    const text = { owner: founder, seq, hash: hashOf(jws), jws };
    this.#endings.set(endingIdOf(founder, part), { ...ending, text });
  }
}

function hashOf(jws: string): string {
  return createHash('sha256').update(jws).digest('base64url').slice(0, HASH_LENGTH);
}
