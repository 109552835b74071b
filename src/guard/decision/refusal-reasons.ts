/**
 * Why a call was refused, in the words that its caller is told: who may not do what, where and why, and
 * the command that changes that. The only place that words it; `grants/use/evaluate-call.ts` brings what
 * single grants and their caveats say, and the gateway makes an error of the whole
 * (`gateway/clearance/refusal-errors.ts`).
 */
import { BUILTIN_SERVER, printable, rightText } from '../../core/index.ts';
import type { Did, PeerId } from '../../core/index.ts';
import { allows, encodeSegment } from '../../grants/index.ts';
import type {
  Grant,
  GrantBook,
  NothingCovers,
  Refusal,
  ResourceTarget,
} from '../../grants/index.ts';
import type { ApprovalRequest, Decision, GuardWanted, Principal } from '../types.ts';
import { nameOf } from '../principal-names.ts';
import { ATTACHED_SCOPES } from './client-scopes.ts';

type Refused = Extract<Decision, { allow: false }>;
type Bounded = Exclude<Principal, { kind: 'operator' }>;

/** Where the reason of a no is looked for, once it is one. */
export interface RefusalComponents {
  /** With `issued` and `state` a refusal can say why an old grant no longer helps. */
  readonly grants: Pick<GrantBook, 'held'> &
    Partial<Pick<GrantBook, 'issued' | 'revocations' | 'state'>>;
  /** This node, as refusals name it. */
  readonly self: { readonly name: string; readonly did: Did };
  /** True when callers can ask for grants by `request_permission`. */
  readonly canRequest: boolean;
  /** What a peer calls this node, where that is known to be another name than its own. */
  readonly calledBy?: ((peer: PeerId) => string | undefined) | undefined;
}

/**
 * Whoever narrowed a grant by arguments did not mean to give more, so that a wrong argument is no reason to
 * ask for more rights. The guard knows no tool, so that the hint holds for one that can't have the argument, too.
 */
const ARGUMENTS_HINT =
  'call it again with what the grant names, within that; a tool that takes no such argument is not covered by the grant; your grants: starling grant list';

/** What may stand unquoted in a command. */
const ALIAS = /^[a-z0-9][a-z0-9-]{0,31}$/;

/** Explained only when somebody reads it: a list of tools asks for the yes or no alone. */
class LazyRefused {
  readonly allow = false;
  readonly ask?: ApprovalRequest;
  readonly #words: Words;

  constructor(words: Words & { readonly ask?: ApprovalRequest }) {
    this.#words = words;
    if (words.ask !== undefined) this.ask = words.ask;
  }

  get refusal(): Refusal {
    return this.#words.refusal();
  }

  get hint(): string {
    return this.#words.hint();
  }

  get asking(): string | undefined {
    return this.#words.asking?.();
  }
}

interface Words {
  refusal(): Refusal;
  hint(): string;
  asking?(): string | undefined;
}

/** No scope or grant allows it; `cause` is what evaluating the grants says, where some were evaluated. */
export function notGranted(
  components: RefusalComponents,
  caller: Bounded,
  wanted: GuardWanted,
  target: ResourceTarget | undefined,
  cause?: Refusal | NothingCovers,
): Refused {
  return new LazyRefused({
    refusal() {
      const hasWords = cause !== undefined && 'text' in cause;
      const why = hasWords ? cause : reasonOf(components, caller, wanted, target);
      return refusalBy('not-granted', components, caller, wanted, [why]);
    },
    hint: () =>
      cause?.rule === 'args' ? ARGUMENTS_HINT : hintOf(components, caller, target, cause?.rule),
    asking: () => (cause?.rule === 'args' ? undefined : askingOf(components, caller, target)),
  });
}

/** The call is granted, but the policy has a rule against it. */
export function notByPolicy(
  components: RefusalComponents,
  caller: Principal,
  wanted: GuardWanted,
  cause: Refusal,
): Refused {
  return new LazyRefused({
    refusal: () => refusalBy('policy', components, caller, wanted, [cause]),
    hint: () => `ask the operator of ${printable(components.self.name)} to change its policy file`,
  });
}

/** A person must approve the call first. */
export function notApproved(
  components: RefusalComponents,
  wanted: GuardWanted,
  ask: ApprovalRequest,
): Refused {
  const cause = { rule: ask.rule, text: 'a person must approve it, each time' };
  return new LazyRefused({
    refusal: () => refusalBy('approval', components, ask.principal, wanted, [cause]),
    hint: () =>
      `the operator of ${printable(components.self.name)} can approve it: starling approvals`,
    ask,
  });
}

function refusalBy(
  rule: string,
  { self }: RefusalComponents,
  caller: Principal,
  wanted: GuardWanted,
  causes: readonly Refusal[],
): Refusal {
  const what = `${printable(rightText(wanted.ability, wanted.resource))} at ${printable(self.name)}`;
  const isBound = causes[0]?.rule === 'args';
  const may = isBound ? `may ${what} only as it was granted` : `may not ${what}`;
  const text = `${nameOf(caller)} ${may}`;
  return { rule, text, causes };
}

function reasonOf(
  { grants, self }: RefusalComponents,
  caller: Bounded,
  wanted: GuardWanted,
  target: ResourceTarget | undefined,
): Refusal {
  // Said by its name: whoever reads it may sit at another node.
  const owner = printable(self.name);
  if (target === undefined) {
    return { rule: 'malformed', text: `nothing at ${owner} can be called so` };
  }
  if (caller.kind === 'client') {
    const text =
      caller.scopes === ATTACHED_SCOPES
        ? `it is for the operator of ${owner}, and for no client`
        : 'its scopes cover other things only';
    return { rule: 'not-covered', text };
  }
  const isAbout = (grant: Grant): boolean =>
    grant.claims.cap.some((capability) => allows(capability, wanted.ability, target).allow);
  const given = (grants.issued?.() ?? []).filter(
    ({ claims }) => claims.aud === caller.did && !claims.cap.every(isOnMesh),
  );
  const past = given.filter(isAbout).sort((a, b) => b.claims.exp - a.claims.exp);
  const revoked = past.find((grant) => grants.state?.(grant) === 'revoked');
  if (revoked !== undefined) {
    const { jti } = revoked.claims;
    const told = grants.revocations?.().find(({ claims }) => claims.jti === jti)?.claims.reason;
    const why = told === undefined ? '' : `: ${printable(told)}`;
    return { rule: 'revoked', text: `the grant for it (${idOf(revoked)}) is revoked${why}` };
  }
  const expired = past.find((grant) => grants.state?.(grant) === 'expired');
  if (expired !== undefined) {
    const at = new Date(expired.claims.exp * 1000).toISOString();
    return { rule: 'expired', text: `the grant for it (${idOf(expired)}) expired at ${at}` };
  }
  if (grants.held(caller.did).length === 0) {
    const text =
      given.length === 0
        ? `${owner} has granted it nothing yet`
        : `nothing that ${owner} has granted it is valid any more`;
    return { rule: 'no-grant', text };
  }
  return { rule: 'not-covered', text: `what ${owner} has granted it covers other things only` };
}

/** Of a membership or an invite, which gives no right to anything but the mesh. */
function isOnMesh({ resource }: { readonly resource: string }): boolean {
  return resource.startsWith('mesh:');
}

/** The command that grants it. Wildcards and quotes in a caller's words are percent-encoded. */
function hintOf(
  { self }: RefusalComponents,
  caller: Bounded,
  target: ResourceTarget | undefined,
  rule: string | undefined,
): string {
  const where = printable(self.name);
  if (target === undefined) return `on ${where}: starling tools`;
  const path = pathOf(target);
  if (caller.kind === 'client' && rule === 'clients') {
    return `the person who owns ${where} can do it in a terminal: starling --help`;
  }
  if (caller.kind === 'client' && caller.scopes === ATTACHED_SCOPES) {
    return `ask the operator of ${where}`;
  }
  if (caller.kind === 'client') {
    const scope = `'${target.scheme}:${path}'`;
    return ALIAS.test(caller.name)
      ? `starling key create ${caller.name}-2 --scope ${scope}`
      : `ask the operator of ${where} for the scope ${scope}`;
  }
  if (target.scheme === 'agent') {
    return `starling grant create ${referenceOf(caller)} --agent '${path}'`;
  }
  if (target.scheme === 'model') {
    return `starling grant create ${referenceOf(caller)} --model '${path}'`;
  }
  if (target.scheme !== 'tool') return `ask the operator of ${where}`;
  return `starling grant create ${referenceOf(caller)} --tool '${path}'`;
}

/** The command by which the caller can ask for it, with the name that this node goes by where that is typed. */
function askingOf(
  { self, canRequest, calledBy }: RefusalComponents,
  caller: Bounded,
  target: ResourceTarget | undefined,
): string | undefined {
  if (target === undefined || caller.kind === 'client') return undefined;
  if (!canRequest || target.segments[0] === BUILTIN_SERVER) return undefined;
  const called = (caller.kind === 'peer' ? calledBy?.(caller.peerId) : undefined) ?? self.name;
  // A stranger chose the name, and a person may paste the line.
  const peer = ALIAS.test(called) ? called : '<peer>';
  const what = `'${peer}/${target.scheme === 'tool' ? '' : `${target.scheme}:`}${pathOf(target)}'`;
  return `starling request ${what} --because '<why>' (an agent: the tool ${peer}__${BUILTIN_SERVER}__request_permission)`;
}

function pathOf({ scheme, segments }: ResourceTarget): string {
  const path = segments.map(encodeSegment).join('/').replace(/^%40/, '@');
  // Models are named with it, and every command takes it.
  return scheme === 'model' ? path.replaceAll('%3A', ':') : path;
}

/** How commands name the caller. */
function referenceOf(caller: Exclude<Bounded, { kind: 'client' }>): string {
  if (caller.kind === 'agent') return caller.did;
  return ALIAS.test(caller.alias) ? caller.alias : encodeSegment(caller.peerId);
}

function idOf(grant: Grant): string {
  return grant.claims.jti.slice(0, 8);
}
