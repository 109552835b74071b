/**
 * An approval as a form that a client shows to a person (MCP 2025-11-25 `client/elicitation`, mode
 * `form`), and what the filled-in form says. Everything in it that comes from a caller is on a line of its
 * own, with what nobody would see written out. Pure.
 */
import { CALL_FORMS_ONLY } from '../../config/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import type { Approval, Principal } from '../../guard/index.ts';
import { behalfOf, nameOf } from '../../guard/index.ts';
import { objectOf } from '../wire/era.ts';
import { revealInvisible } from '../pins/invisible-characters.ts';
import { givenText, isObject, printable, rightText } from '../../core/index.ts';

/** What a person said. */
export interface FormAnswer {
  readonly approve: boolean;
  readonly reason?: string;
}

/** Room for any text of an approval: they are cut when it is made. */
const TEXT_MAX = 8192;
const REASON_MAX = 500;
const ID_SHOWN = 8;
/** How {@link safe} writes what is invisible; line ends and tabs are no secret. */
const WRITTEN_OUT = /\\u\{(?!(?:a|d|9)\})[0-9a-f]+\}/i;
/** Nothing is filled in beforehand: who has not read it has not answered. */
const SCHEMA: JsonObject = {
  type: 'object',
  properties: {
    decision: {
      type: 'string',
      title: 'Your answer',
      description: 'approve: this once, with just these arguments. deny: not.',
      enum: ['approve', 'deny'],
    },
    reason: {
      type: 'string',
      title: 'Reason',
      description: 'Told to who asked, and kept in the audit log.',
      maxLength: REASON_MAX,
    },
  },
  required: ['decision'],
};

/** True for a client that shows forms: that declares `elicitation` with `form`, or without any mode. */
export function showsForms(capabilities: JsonObject): boolean {
  const { elicitation } = capabilities;
  if (!isObject(elicitation)) return false;
  return 'form' in elicitation || !('url' in elicitation);
}

/** True for a client that shows forms, and not those of its own calls only. */
export function showsApprovals(capabilities: JsonObject): boolean {
  return (
    showsForms(capabilities) &&
    !Object.hasOwn(objectOf(capabilities['experimental']), CALL_FORMS_ONLY)
  );
}

/** The params of `elicitation/create` for an approval of the node called `self`. */
export function formOf(
  approval: Approval,
  init: { readonly self?: string; readonly nowMs: number },
): JsonObject {
  return { message: messageOf(approval, init), requestedSchema: SCHEMA };
}

/**
 * What the result of `elicitation/create` says: `decline` is a no. Undefined when the form was closed
 * without an answer, or the result is not what was asked for.
 */
export function answerOf(result: JsonObject | undefined): FormAnswer | undefined {
  const action = result?.['action'];
  if (action === 'decline') return { approve: false };
  if (action !== 'accept') return undefined;
  const { decision, reason } = objectOf(result?.['content']);
  if (decision !== 'approve' && decision !== 'deny') return undefined;
  if (!isNothing(reason) && typeof reason !== 'string') return undefined;
  const words = typeof reason === 'string' ? reason.trim() : '';
  return { approve: decision === 'approve', ...(words === '' ? {} : { reason: words }) };
}

function isNothing(value: Json | undefined): boolean {
  return value === undefined || value === null;
}

function messageOf(approval: Approval, { self, nowMs }: Parameters<typeof formOf>[1]): string {
  const { principal, permission, args, justification, expiresAt } = approval;
  const whom = behalfOf(principal);
  const behalf = [
    ...(whom === undefined ? [] : [whom]),
    ...(permission === undefined ? [] : [`${permission.agentId} (as it says)`]),
  ];
  const isCall = approval.kind === 'call';
  const lines = [
    `who: ${whoOf(principal)}`,
    ...behalf.map((whom) => `on behalf of: ${whom}`),
    `what: ${rightText(approval.ability, approval.resource)}`,
    ...(args === undefined ? [] : [`arguments: ${args}`]),
    ...grantedBy(approval),
    ...(justification === undefined ? [] : [`why, as it says: ${justification}`]),
    `rule: ${ruleOf(approval)}`,
    `until: ${new Date(expiresAt).toISOString()} (${timeOf(expiresAt - nowMs)}); no answer is a no`,
    `elsewhere: starling approvals approve ${approval.id.slice(0, ID_SHOWN)} (or deny)`,
  ].map(safe);
  const asks = isCall ? 'asks to make a call' : 'asks for a grant';
  const where = self === undefined ? 'this node' : printable(self);
  const head = `${nameOf(principal)} ${asks} at ${where}. Do you approve?`;
  const isHidden = lines.some((line) => WRITTEN_OUT.test(line));
  const warning = 'Careful: there are invisible characters in it, written here as \\u{…}.';
  return [head, '', ...lines, ...(isHidden ? ['', warning] : [])].join('\n');
}

/** Text from elsewhere on one line, with what is invisible written out. */
function safe(text: string): string {
  return printable(revealInvisible(text), TEXT_MAX);
}

/** What says that a person must agree. */
function ruleOf({ rule, grant }: Approval): string {
  if (grant === undefined) return rule;
  const id = grant.slice(0, ID_SHOWN);
  return rule === 'grant' ? `grant ${id}` : `${rule}, and grant ${id} covers it`;
}

function whoOf(principal: Principal): string {
  switch (principal.kind) {
    case 'operator':
      return 'the operator, in another session';
    case 'client':
      return `client ${principal.name} of this node`;
    default:
      return `${principal.kind === 'peer' ? principal.alias : principal.name}, ${principal.did}`;
  }
}

function grantedBy({ permission }: Approval): readonly string[] {
  if (permission === undefined) return [];
  const caps = permission.capabilities.map((right) => `would get: ${givenText(right)}`);
  return [...caps, `for how long: ${timeOf(permission.lifetimeMs)}`];
}

function timeOf(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
