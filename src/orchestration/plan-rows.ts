/**
 * Plans on the disk: one row of each, and beside it what agents gave and what was made of that, each written once. So a step
 * of a plan writes what is new, however much was given before.
 */
import { messageOf } from '../core/index.ts';
import type { Json, Logger } from '../core/index.ts';
import type { Table, Write } from '../store/index.ts';
import type { PhaseRow, PlanState, SeatRow } from './types.ts';

const ROW = 'plan/';
const GIVEN = 'given/';
const END = 'end';

/** Where plans are kept. What resolves is on the disk. */
export interface PlanRows {
  /** All of them or none. @throws STARLING_LIMIT_EXCEEDED, STARLING_STATE_UNUSABLE as the store does; so do the others */
  put(states: readonly PlanState[]): Promise<void>;
  /** Forgets a plan. */
  drop(id: string): Promise<void>;
  /** All that can be read, in the order of their submission. */
  load(): Promise<readonly PlanState[]>;
}

type Given = Map<string, Json>;

/** Makes the rows over a table. */
export function createPlanRows(table: Table, logger: Logger): PlanRows {
  /** What stands beside the row of each plan. */
  const written = new Map<string, Given>();
  const writesOf = (state: PlanState): readonly Write[] => {
    const { id } = state.order;
    const now = givenIn(state);
    const before = written.get(id) ?? new Map<string, Json>();
    const added = [...now].filter(([key, value]) => before.get(key) !== value);
    const gone = [...before.keys()].filter((key) => !now.has(key));
    return [
      { key: ROW + id, value: bytesOf(bare(state) as unknown as Json) },
      ...added.map(([key, value]) => ({ key: keyOf(id, key), value: bytesOf(value) })),
      ...gone.map((key) => ({ key: keyOf(id, key) })),
    ];
  };
  return {
    async put(states) {
      await table.batch(states.flatMap(writesOf));
      for (const state of states) written.set(state.order.id, givenIn(state));
    },
    async drop(id) {
      const beside = [...(written.get(id)?.keys() ?? [])].map((key) => ({ key: keyOf(id, key) }));
      await table.batch([{ key: ROW + id }, ...beside]);
      written.delete(id);
    },
    async load() {
      written.clear();
      /** Plans of which something that was given can't be read: without it they would do their work again. */
      const damaged = new Map<string, Error>();
      for await (const [key, bytes] of table.entries(GIVEN)) {
        const [, id = '', ...rest] = key.split('/');
        const given = written.get(id) ?? new Map<string, Json>();
        try {
          written.set(id, given.set(rest.join('/'), parsed(bytes)));
        } catch (error) {
          damaged.set(id, new TypeError(`${key}: ${messageOf(error)}`));
        }
      }
      const states: PlanState[] = [];
      for await (const [key, bytes] of table.entries(ROW)) {
        try {
          const state = parsed(bytes) as unknown as PlanState;
          if (typeof state.order.id !== 'string') throw new TypeError('it has no id');
          const fault = damaged.get(state.order.id);
          if (fault !== undefined) throw fault;
          states.push(whole(state, written.get(state.order.id)));
        } catch (error) {
          logger.warn({ key, error: messageOf(error) }, 'a stored plan is damaged, left out');
        }
      }
      return states.toSorted((one, other) => one.order.submittedAt - other.order.submittedAt);
    },
  };
}

function keyOf(id: string, key: string): string {
  return `${GIVEN}${id}/${key}`;
}

function seatKey(phase: number, { nth, place, round }: SeatRow): string {
  return [phase, round, place, nth].join('/');
}

/** What agents gave, what was made of it in each phase, and in the end. */
function givenIn({ phases, result }: PlanState): Given {
  const given: Given = new Map();
  for (const [at, phase] of phases.entries()) {
    if (phase.result !== undefined) given.set(String(at), phase.result);
    for (const seat of phase.seats) {
      if (seat.result !== undefined) given.set(seatKey(at, seat), seat.result);
    }
  }
  if (result !== undefined) given.set(END, result);
  return given;
}

function bare(state: PlanState): PlanState {
  const { result: _, ...rest } = state;
  return { ...rest, phases: state.phases.map(withoutResults) };
}

/** A phase without what agents gave for it, and what was made of that. */
export function withoutResults(row: PhaseRow): PhaseRow {
  const { result: _, ...rest } = row;
  const seats = row.seats.map((seat) => {
    const { result: __, ...bareSeat } = seat;
    return bareSeat;
  });
  return { ...rest, seats };
}

/** A row with what stands beside it; one of an earlier version has all in itself. */
function whole(state: PlanState, given: Given | undefined): PlanState {
  const of = <T extends object>(one: T, key: string): T & { readonly result?: Json } => {
    const result = given?.get(key);
    return result === undefined ? one : { ...one, result };
  };
  const phases = state.phases.map((phase, at) =>
    of({ ...phase, seats: phase.seats.map((seat) => of(seat, seatKey(at, seat))) }, String(at)),
  );
  return of({ ...state, phases }, END);
}

function bytesOf(value: Json): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

function parsed(bytes: Uint8Array): Json {
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as Json;
}
