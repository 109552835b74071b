/** Contexts: what an agent and somebody have said to each other, under a name that the other one gave. */
import type { Did } from '../core/index.ts';
import type { Principal, Zone } from '../guard/index.ts';

/** Whose conversation it is: who else goes by one of its names, now or later, has another one. */
export interface ContextOf {
  /** The agent of this node. */
  readonly agent: string;
  /** Who runs that agent: another one may give its name to another agent. */
  readonly owner: string;
  /** Who speaks with it, as messages name the sender. */
  readonly from: string;
  /** The same by what nobody else can have, and those for whom that one works. */
  readonly sender: string;
  /** What the sender calls the conversation. */
  readonly session: string;
}

/** One thing that was said. */
export interface ContextLine {
  /** 1 for the first of the conversation, and one more for each that follows. */
  readonly n: number;
  readonly role: 'user' | 'assistant';
  readonly text: string;
  /** ms since the epoch. */
  readonly at: number;
  /** The least trusted zone of what led to it. */
  readonly zone: Zone;
  /** Id of the message that it is of, or that it answers. */
  readonly message: string;
}

/** What stands for lines of a conversation. */
export interface ContextSummary {
  readonly text: string;
  /** First and last line that it stands for. */
  readonly first: number;
  readonly last: number;
  readonly at: number;
  readonly model: string;
  readonly zone: Zone;
}

/** What of a conversation somebody is shown: all, the last lines, the summary alone, or nothing any more. */
export type ContextView = 'full' | 'summary' | 'none' | { readonly last: number };

/** A client of this node, by its name there; an agent that the node runs is the client `agent:<name>`. */
export type ClientKey = `client:${string}`;

/** To whom a conversation is shown: another node, or a client of this one. */
export interface ContextShare {
  readonly to: Did | ClientKey;
  readonly view: Exclude<ContextView, 'none'>;
}

/** A conversation at a glance. */
export interface ContextInfo extends Pick<ContextOf, 'agent' | 'from' | 'session'> {
  readonly id: string;
  /** Who shares it with this node; absent of one of this node. */
  readonly by?: Did;
  /** What of it is shown here, or to the client that asks; absent of one of this node, for its operator. */
  readonly view?: ContextShare['view'];
  readonly createdAt: number;
  readonly usedAt: number;
  /** Lines that are kept here. */
  readonly lines: number;
  readonly summary?: ContextSummary;
  /** Whom it is shown to; empty of one that somebody shares, and for a client. */
  readonly shares: readonly ContextShare[];
}

/** A conversation with its lines. */
export interface ContextContent extends ContextInfo {
  readonly said: readonly ContextLine[];
}

/** What an agent is reminded of. */
export interface Recalled {
  readonly summary?: ContextSummary;
  /** The newest that there is room for, in their order, without those that the summary stands for. */
  readonly said: readonly ContextLine[];
}

/** By which model, and on whose account, a conversation is compressed. */
export interface Compression {
  readonly model: string;
  /** Whoever asks the model for the answers of the conversation: the summary counts for the same. */
  readonly asks: Principal;
  /** Tokens that fit into the model. */
  readonly contextTokens: number;
}

/** What an agent has with its conversations. */
export interface Recollection {
  /** What there is room for in a model that takes `contextTokens`. */
  recall(of: ContextOf, contextTokens: number): Promise<Recalled>;
  /** Resolves once both are on disk; a message that is there already is not kept twice. */
  keep(of: ContextOf, said: Exchange): Promise<void>;
  /**
   * Has the older part of a conversation that has become too long for its model summarised, in the background. Nobody waits
   * for it, and where it fails nothing has changed.
   */
  compress(of: ContextOf, how: Compression): void;
}

/** A question and its answer. */
export interface Exchange {
  readonly message: string;
  readonly question: string;
  readonly answer: string;
  readonly zone: Zone;
}

/** What of a conversation ended where. */
export interface ContextEnd {
  /** Nodes that it was shown to, and whether they are connected now: the others are told when they come back. */
  readonly holders: readonly { readonly did: Did; readonly isHere: boolean }[];
}

/** The conversations that this node has or is shown: what `context_list` gives. */
export interface ContextListResult {
  readonly contexts: readonly ContextInfo[];
}
