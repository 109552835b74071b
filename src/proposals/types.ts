/** What an agent proposes, what came of it, and what the tools give. */
import type { Zone } from '../guard/index.ts';

/** A server of the node, or a kind of agents that it may run. */
export type Proposed = 'server' | 'kind';

/** One file, below the folder of the proposal. */
export interface ProposedFile {
  /** Parts between slashes, none of them hidden or above. */
  readonly path: string;
  readonly text: string;
}

/** What the program may do and use, once a person has agreed. */
export interface ProposedLimits {
  /** Default: it reaches no network. */
  readonly network: boolean;
  /** True: it may write in a folder `data` of its own. */
  readonly keeps: boolean;
  /** Of a kind: what one process may use, like `512Mi` and `1`. */
  readonly memory?: string | undefined;
  readonly cpu?: string | undefined;
}

/** A program with all that decides what it does. Never changed: another program is another proposal. */
export interface ProposedProgram {
  readonly what: Proposed;
  readonly name: string;
  /** A program of the system, by its name. */
  readonly command: string;
  readonly args: readonly string[];
  /** By their paths. */
  readonly files: readonly ProposedFile[];
  readonly limits: ProposedLimits;
  /** Of a kind: what its agents may use. */
  readonly tools: readonly string[];
}

/** `superseded`: its agent has proposed another one by the same name. `expired`: nobody answered in time. */
export type ProposalState = 'pending' | 'approved' | 'denied' | 'superseded' | 'expired';

/** What came of running it on trial. */
export interface Trial {
  readonly at: number;
  /** True: it started, and has told its tools. */
  readonly passed: boolean;
  readonly tools: readonly { readonly name: string; readonly description: string }[];
  /** Why it failed, and what it had written last. */
  readonly error?: string | undefined;
  readonly wrote: readonly string[];
}

/** A proposal, as it is kept. Times are ms since the epoch. */
export interface Proposal {
  readonly id: string;
  /** Who proposed it, as the audit log has it, and for whom it worked then. */
  readonly agent: string;
  readonly worksFor?: string | undefined;
  /** The least trusted zone of what the agent had read. */
  readonly taint?: Exclude<Zone, 'local'> | undefined;
  readonly what: Proposed;
  readonly name: string;
  /** Hex SHA-256 of all of the program. */
  readonly digest: string;
  /** Digest of the one that waited by its name, and whose place it took. */
  readonly replaces?: string | undefined;
  /** Absent once nobody can agree to it any more. */
  readonly program?: ProposedProgram | undefined;
  readonly state: ProposalState;
  readonly madeAt: number;
  readonly expiresAt: number;
  readonly trial?: Trial | undefined;
  readonly answeredAt?: number | undefined;
  readonly reason?: string | undefined;
}

/** What whoever proposes is told. */
export interface InfrastructureProposeResult {
  readonly proposal: string;
  readonly state: ProposalState;
  readonly digest: string;
  readonly expiresAt: number;
  /** Of one that a person denied. */
  readonly reason?: string | undefined;
}

/** A proposal in short. */
export interface ProposalSummary extends Omit<Proposal, 'program' | 'trial'> {
  /** Whether it ran on trial, and whether that went well. */
  readonly trial: 'passed' | 'failed' | 'none';
  /** True where the configuration has something of that name. */
  readonly inConfig: boolean;
}

/** What `proposal_list` gives. */
export interface ProposalListResult {
  readonly proposals: readonly ProposalSummary[];
}

/** What `proposal_show` and `proposal_try` give. */
export interface ProposalShowResult {
  readonly proposal: ProposalSummary;
  /** The difference that it would make, in our words and line by line. */
  readonly lines: readonly string[];
  readonly trial?: Trial | undefined;
  /** What that has shown, in our words but for what the program says of itself. */
  readonly trialLines: readonly string[];
  /** Where its files would go, and the file of the configuration. */
  readonly folder: string;
  readonly configFile: string;
}

/** What `proposal_answer` gives: of an approved one all that is to be written. */
export interface ProposalAnswerResult {
  readonly proposal: ProposalSummary;
  readonly program?: ProposedProgram | undefined;
  /** Where its files go, and the file of the configuration. */
  readonly folder: string;
  readonly configFile: string;
}
