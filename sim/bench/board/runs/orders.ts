/** What a run tells its members, and what they say. */
import type { Board, Json } from '../../../../src/index.ts';

/** What is asked of a strong board. */
export type StrongAsk = Parameters<Board['strong']>[1]['request'];

/** What the process is told. */
export type MemberOrder =
  | {
      readonly t: 'create';
      readonly i: number;
      readonly replicas: readonly string[];
      readonly writers: readonly string[];
    }
  | {
      readonly t: 'strong';
      readonly i: number;
      readonly key: string;
      readonly request: StrongAsk;
      readonly id?: string;
    }
  | { readonly t: 'set'; readonly i: number; readonly key: string; readonly value: Json }
  | { readonly t: 'look'; readonly i: number }
  /** The strong board is kept by others from now on. */
  | {
      readonly t: 'change';
      readonly i: number;
      readonly add: readonly string[];
      readonly remove: readonly string[];
    }
  /** Nothing comes from these any more: it is held back, or, where they are parted, connections with them break. */
  | { readonly t: 'cut'; readonly from: readonly string[]; readonly isParted: boolean }
  /** Whoever has the promises of a majority waits with the change, or goes on; see `faults.ts`. */
  | { readonly t: 'slow'; readonly isSlow: boolean }
  /** Your clock is off by so much from now on. */
  | { readonly t: 'jump'; readonly ms: number };

/** What the process says: that it is up, or what came of an order. */
export type MemberNews =
  | { readonly t: 'up'; readonly did: string; readonly address: string }
  | { readonly t: 'done'; readonly i: number; readonly result: Json }
  | { readonly t: 'failed'; readonly i: number; readonly code: string; readonly request?: string };

/** The address of a member of the run at a place: runs that go on at once have hosts of their own. */
export function hostOf(member: number, place: number): string {
  return `127.77.${place}.${member + 1}`;
}
