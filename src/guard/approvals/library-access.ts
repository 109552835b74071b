/** The approvals for a program that holds the node: a dashboard, or whatever embeds the node. */
import { OPERATOR } from '../principal-names.ts';
import type { EventEmitter } from 'node:events';
import type { Approval, ApprovalEvents, ApprovalState, Approvals, Voter } from './types.ts';

/** What waits for a person, and how to answer it as the node's operator. */
export interface ApprovalAccess {
  /** `pending`, `escalated` and `closed`, each with the approval as it is then. */
  readonly events: EventEmitter<ApprovalEvents>;
  /** All that are known, newest first; with `state` those that are in it. */
  list(state?: ApprovalState): readonly Approval[];
  /** By its id or a unique beginning of at least 4 characters. @throws STARLING_APPROVAL_UNKNOWN */
  find(id: string): Approval;
  /**
   * Lets one call run, with just the arguments that were shown, or issues the grant that was asked for.
   * `reason` is told to the caller, and kept. @throws STARLING_APPROVAL_UNKNOWN; STARLING_APPROVAL_CLOSED
   * when it is over, or somebody else's answer is on its way to the disk
   */
  approve(id: string, reason?: string): Promise<Approval>;
  /** Says no. @throws as {@link approve} */
  deny(id: string, reason?: string): Promise<Approval>;
}

const LIBRARY: Voter = { principal: OPERATOR, via: 'library' };

/** Makes the access; whoever has it is the operator. */
export function createApprovalAccess(approvals: Approvals): ApprovalAccess {
  return {
    events: approvals.events,
    list: (state) => approvals.list(state),
    find: (id) => approvals.find(id),
    approve: (id, reason) => approvals.approve(id, LIBRARY, reason),
    deny: (id, reason) => approvals.deny(id, LIBRARY, reason),
  };
}
