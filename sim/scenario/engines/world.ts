/** What the runner needs of an engine with real nodes. */
import type { Behaviour, LinkShape } from '../schema.ts';

/** What one node has seen of another. */
export type Sight = 'alive' | 'suspect' | 'dead' | 'left';

/** A node that runs. */
export interface WorldNode {
  readonly peerId: string;
  readonly addresses: readonly string[];
  /** Path of its socket. */
  readonly socket: string;
}

/** What the nodes have used so far, all together. */
export interface Usage {
  readonly cpuMs: number;
  readonly bytes: number;
  readonly rssMiB: number;
}

/** The members of a scenario before anything happens, and the chance that they share. */
export interface WorldInit {
  /** Folder for all that is written. */
  readonly root: string;
  readonly seed: number;
  readonly names: readonly string[];
  /** Names of the members that will mean harm. */
  readonly hostile: readonly string[];
  readonly roles: ReadonlyMap<string, readonly string[]>;
  readonly heartbeatMs: number | undefined;
  readonly links: LinkShape;
  /** Names of nodes whose disks, clocks or hands a scenario changes: they are made for that. */
  readonly special: { readonly disks: ReadonlySet<string>; readonly clocks: ReadonlySet<string> };
  /** Hears what a node sees of another, each time that it changes. */
  readonly saw: (by: string, peerId: string, sight: Sight) => void;
}

/** A network of hosts on which nodes can be started. Names are those of the plan. */
export interface World {
  /** How it was made: what delays, what loses, what limits. Told in the report. */
  readonly notes: readonly string[];
  /** Starts a node, also one that ran before: it has its state again. */
  start(name: string, bootstrap: readonly string[]): Promise<WorldNode>;
  leave(name: string): Promise<void>;
  kill(name: string): Promise<void>;
  freeze(name: string): Promise<void>;
  thaw(name: string): Promise<void>;
  stall(name: string): Promise<void>;
  resume(name: string): Promise<void>;
  cut(from: string, to: string): Promise<void>;
  mend(from: string, to: string): Promise<void>;
  heal(): Promise<void>;
  link(from: string, to: string, shape: LinkShape): Promise<void>;
  clock(name: string, byMs: number): Promise<void>;
  disk(name: string, state: 'full' | 'free'): Promise<void>;
  /** A member that means harm joins. Gives its PeerId; what it does to whom is over by then, if it has an end. */
  hostile(name: string, what: HostileInit): Promise<string>;
  usage(): Promise<Usage>;
  /** What else there is to count: lies told, attacks made. */
  figures(): Readonly<Record<string, number>>;
  close(): Promise<void>;
}

/** What a hostile member does, and to whom. */
export interface HostileInit {
  readonly behaviour: Behaviour;
  readonly ticket: string;
  readonly against: readonly WorldNode[];
  readonly members: readonly string[];
  readonly forMs: number;
}
