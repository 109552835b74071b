/** What goes about in the worlds of strong writes, and who asks there. */
import type {
  Accepted,
  Ballot,
  Erasure,
  QuorumAnswer,
  QuorumQuestion,
  Shown,
  StepQuestion,
  WantsWhole,
} from '../../../src/blackboard/quorum/acceptor.ts';
import type { Round, StrongChange } from '../../../src/blackboard/quorum/round.ts';
import type { Look } from '../../../src/blackboard/quorum/strong-read.ts';

/** A question or an answer under way. */
export interface Message {
  readonly client: number;
  readonly round: number;
  readonly replica: string;
  /** The number of the replicas by which is asked. */
  readonly set: number;
  readonly question?:
    | QuorumQuestion
    | StepQuestion
    | { readonly t: 'look'; readonly known?: Ballot | undefined }
    | ({ readonly t: 'erase' } & Erasure);
  readonly answer?:
    | QuorumAnswer
    | WantsWhole
    | Shown
    | { readonly t: 'moved'; readonly set: number };
}

/** Who asks, one operation after the other. */
export interface Client {
  readonly name: string;
  /** Writes the key anew while the replicas change; nobody hears of what it does. */
  readonly isMover: boolean;
  /** The number of the replicas that it asks. */
  set: number;
  boot: number;
  counter: number;
  known: { readonly ballot: Ballot; readonly accepted: Accepted } | undefined;
  /** The ballot of the round under way. */
  ballot: Ballot;
  op:
    | {
        readonly change: StrongChange;
        readonly from: number;
        readonly request: string;
        readonly isRead: boolean;
      }
    | undefined;
  /** How many changes there were when this operation was first proposed. */
  basedOn: number | undefined;
  round: Round | undefined;
  look: Look | undefined;
  roundNumber: number;
  next: Ballot;
  since: number;
  /** Replicas that the question under way was not put to, and since when the others have it. */
  bystanders: readonly string[];
  askedAt: number;
  tries: number;
  wasOut: boolean;
  waitUntil: number;
  done: number;
}
