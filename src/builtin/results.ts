/** What the tools of the built-in server `starling` return; the CLI prints these. */
import type { AuditEntry, AuditVerdict, Checkpoint } from '../audit/types.ts';
import type { BoardChange, BoardEntry } from '../blackboard/types.ts';
import type { PeerId, Warning } from '../core/index.ts';
import type { ShownChain } from '../grants/index.ts';
import type { Capability, Refusal } from '../grants/types.ts';
import type { ApiKey, InvisibleFlag } from '../gateway/index.ts';
import type { GatewayEndpoints, SessionDoor, UpstreamStatus } from '../gateway/types.ts';
import type { ExplainedStep, PolicyCheck } from '../guard/index.ts';
import type { PreviousKey, PeerView } from '../membership/types.ts';
import type { Mesh } from '../mesh/types.ts';
import type { ConductReport } from '../network/types.ts';

/** Result of `status`. */
export interface StatusResult {
  readonly name: string;
  readonly version: string;
  readonly peerId: string;
  readonly did: string;
  /** The key that it had before the one it has now; absent when it never changed its key. */
  readonly formerly?: PreviousKey;
  readonly pid: number;
  readonly stateDir: string;
  /** The config file that it reads, or would read if there were one; absent of a node that a program made. */
  readonly configFile?: string;
  readonly startedAt: number;
  readonly mesh: Mesh;
  readonly addresses: readonly string[];
  readonly endpoints: GatewayEndpoints;
  readonly peers: Readonly<Record<'alive' | 'suspect' | 'dead' | 'left', number>>;
  readonly upstreams: readonly UpstreamStatus[];
  readonly sessions: Readonly<Record<SessionDoor, number>>;
  readonly boards: readonly string[];
  /** Digest of the records that all members keep: nodes with equal digests know the same. */
  readonly records: string;
  readonly routingTable: number;
  readonly warnings: readonly Warning[];
}

/** One peer, and how it behaves. */
export interface PeerSummary extends PeerView {
  /** What it does too much of; absent of a peer that behaves. */
  readonly conduct?: Omit<ConductReport, 'peer'> & { readonly text: string };
}

/** Result of `status` for whoever is not the operator. */
export interface ShortStatus extends Pick<
  StatusResult,
  'name' | 'version' | 'peerId' | 'did' | 'peers' | 'boards'
> {
  readonly mesh: Pick<Mesh, 'name' | 'open'>;
  readonly servers: readonly Pick<
    UpstreamStatus,
    'server' | 'state' | 'tools' | 'resources' | 'prompts'
  >[];
}

/** Result of `peers`. */
export interface PeersResult {
  readonly peers: readonly PeerSummary[];
}

/** Result of `peer_forgive`. */
export interface PeerForgiveResult {
  readonly peer: string;
  readonly peerId: PeerId;
  /** False when there was nothing to forgive. */
  readonly forgiven: boolean;
}

/** One that is or was a member of the mesh, as a person reads it. */
export interface MemberSummary {
  /** This node's name for it, or its short id where it has none here. */
  readonly name: string;
  /** What it calls itself now, for a time after it has taken that name. */
  readonly newName?: string;
  readonly isSelf: boolean;
  readonly peerId: PeerId;
  readonly did: string;
  /** `out`: somebody put it out; `left`: it went by itself. */
  readonly state: 'member' | 'out' | 'left';
  readonly isFounder: boolean;
  /** Who let it in; absent of who founded the mesh. */
  readonly by?: string;
  /** ms since the epoch */
  readonly since: number;
  readonly canInvite: boolean;
  /** How its membership ended, or that of one above it (`of`). */
  readonly end?: {
    readonly by: string;
    readonly at: number;
    readonly of?: string;
    readonly reason?: string;
  };
}

/** A ticket that can still let somebody in. */
export interface TicketSummary {
  /** Of its invite: `grant_revoke` at who made the ticket takes it. */
  readonly id: string;
  readonly by: string;
  /** True when this node made it. */
  readonly isOwn: boolean;
  /** ms since the epoch */
  readonly since: number;
  readonly expiresAt: number;
  readonly uses: number;
  readonly usedBy: readonly string[];
  readonly canInvite: boolean;
}

/** Result of `members`. */
export interface MembersResult {
  readonly members: readonly MemberSummary[];
  readonly tickets: readonly TicketSummary[];
}

/** Result of `peer_show`. */
export interface PeerShowResult {
  readonly peer: PeerSummary;
  /** Absent where the records do not say by whom it came in. */
  readonly member?: MemberSummary;
  /** Those that are valid, given by this node or to it. */
  readonly grants: readonly GrantSummary[];
}

/** Result of `peer_rename`. */
export interface PeerRenameResult {
  readonly peer: string;
  readonly before: string;
  readonly peerId: PeerId;
}

/** Result of `peer_remove`: who was put out, and what ended with it. */
export interface PeerRemoveResult {
  readonly peer: string;
  readonly peerId: PeerId;
  readonly did: string;
  /** Others that it let in, and that are out as well. */
  readonly members: readonly string[];
  /** Ids of the grants that this node gave it. */
  readonly grants: readonly string[];
  /** Ids of tickets that it, or those others, had made and that were open. */
  readonly tickets: readonly string[];
  /** Connections to it that were closed. */
  readonly connections: number;
  /** It was out before, then, and by whom: nothing was changed. */
  readonly since?: { readonly at: number; readonly by: string };
}

/** Result of `mesh_leave`. */
export interface LeaveResult {
  readonly mesh: string;
  readonly fingerprint: string;
  /** Grants of this node that ended. */
  readonly grants: number;
  /** Members that were connected, and were told. */
  readonly told: number;
}

/** A node that asks to be let into the mesh. */
export interface KnockSummary {
  /** What it calls itself, unproven. */
  readonly name: string;
  readonly peerId: PeerId;
  /** Four words of its key; the other machine shows the same. */
  readonly fingerprint: string;
  readonly address: string;
  /** When it knocked first, ms since the epoch. */
  readonly at: number;
}

/** Result of `knock_list`. */
export interface KnockListResult {
  readonly knocks: readonly KnockSummary[];
}

/** Result of `knock_answer`. */
export interface KnockAnswerResult extends KnockSummary {
  readonly admitted: boolean;
}

/** One grant as a person reads it. */
export interface GrantSummary {
  /** The grant's `jti`. */
  readonly id: string;
  /** `issued`: by us to somebody; `received`: by somebody to us. */
  readonly direction: 'issued' | 'received';
  /** Alias or did:key of the other side. */
  readonly with: string;
  /** What the other side calls itself now, for a time after it has taken that name. */
  readonly newName?: string;
  readonly did: string;
  readonly capabilities: readonly Capability[];
  /** Uses that were taken, for each capability that counts them; at the owner only. */
  readonly taken?: readonly { readonly capability: number; readonly uses: number }[];
  /** True when this node renews it as long as the peer is there and it is not revoked. */
  readonly renewed: boolean;
  /** ms since the epoch */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly state: 'valid' | 'expired' | 'revoked';
  /** Of a ticket: whether somebody has joined with it. */
  readonly ticket?: 'open' | 'spent';
}

/** Result of `grant_list`. */
export interface GrantListResult {
  readonly grants: readonly GrantSummary[];
}

/** Result of `grant_create`. */
export interface GrantCreateResult {
  readonly grant: GrantSummary;
  readonly jws: string;
  /** What the operator should know: a server or tool that is not there, a limit that another grant undoes. */
  readonly remarks?: readonly string[];
}

/** A chain, and the names by which this node knows those in it. */
export interface GrantShowResult extends ShownChain {
  readonly grant: GrantSummary;
  /** Alias by did:key, as far as it is known. */
  readonly names: Readonly<Record<string, string>>;
}

/** Result of `grant_verify`. */
export interface GrantVerifyResult {
  readonly valid: boolean;
  readonly chains: readonly ShownChain[];
  readonly refused: readonly Refusal[];
}

/** Result of `grant_import`. */
export interface GrantImportResult {
  readonly imported: readonly GrantSummary[];
  readonly refused: readonly Refusal[];
}

/** Result of `grant_export`: the grant and all that it stands on. */
export interface GrantExportResult {
  readonly grant: GrantSummary;
  readonly tokens: readonly string[];
}

/** Result of `grant_revoke`: the grants that it ended. */
export interface GrantRevokeResult {
  readonly revoked: readonly GrantSummary[];
  /** It was revoked before, then: ms since the epoch. */
  readonly since?: number;
}

/** One API key as a person reads it. */
export interface KeySummary extends ApiKey {
  readonly state: 'valid' | 'expired';
}

/** Result of `key_create`: the only time that the key itself is shown. */
export interface KeyCreateResult {
  readonly key: string;
  readonly info: KeySummary;
}

/** Result of `client_connect`: the only time that a key is shown. */
export interface ClientConnectResult {
  readonly name: string;
  readonly key?: string;
}

/** Result of `client_disconnect`. */
export interface ClientDisconnectResult {
  readonly freed: boolean;
}

/** Result of `token_rotate`. */
export interface TokenRotateResult {
  readonly rotated: true;
}

/** Result of `key_list`. */
export interface KeyListResult {
  readonly keys: readonly KeySummary[];
}

/** Result of `key_revoke`. */
export interface KeyRevokeResult {
  readonly revoked: KeySummary;
}

/** Result of `invite_create`. */
export interface InviteResult {
  readonly ticket: string;
  readonly mesh: string;
  readonly fingerprint: string;
  readonly expiresAt: number;
}

/** Result of `board_get`. */
export interface BoardGetResult {
  readonly entry: BoardEntry | null;
}

/** Result of `board_set`. */
export interface BoardSetResult {
  readonly entry: BoardEntry;
}

/** Result of `board_delete`. */
export interface BoardDeleteResult {
  readonly deleted: boolean;
}

/** Result of `board_list`: names of boards, or entries of one. */
export interface BoardListResult {
  readonly boards?: readonly string[];
  readonly entries?: readonly BoardEntry[];
  readonly digest?: string;
}

/** Result of `board_watch`: what changed after `cursor`, and the cursor to go on from. */
export interface BoardWatchResult {
  readonly changes: readonly BoardChange[];
  readonly cursor: string;
}

/** Result of `mcp_login`. */
export interface McpLoginResult {
  /** Of the login, to wait for it. */
  readonly id: string;
  readonly server: string;
  readonly state: 'waiting' | 'done';
  /** What a person opens in a browser; absent when nobody needs to. */
  readonly url?: string;
  /** How long it can be opened; ms since the epoch. */
  readonly expiresAt: number;
}

/** Result of `mcp_logout`. */
export interface McpLogoutResult {
  readonly server: string;
  /** False when there was no login. */
  readonly loggedOut: boolean;
}

/** A secret as it may be shown: never with its value. */
export interface SecretSummary {
  readonly name: string;
  /** When it was set; ms since the epoch. Absent: servers name it, and it is not set. */
  readonly setAt?: number;
  /** Servers of the configuration that name it. */
  readonly usedBy: readonly string[];
}

/** Result of `secret_set`. */
export interface SecretSetResult {
  readonly name: string;
  /** True when there was one of this name. */
  readonly replaced: boolean;
  readonly usedBy: readonly string[];
  /** Servers that run on with what it was before. */
  readonly running: readonly string[];
}

/** Result of `secret_list`. */
export interface SecretListResult {
  readonly secrets: readonly SecretSummary[];
}

/** Result of `secret_remove`. */
export interface SecretRemoveResult {
  readonly name: string;
  /** False when there was none. */
  readonly removed: boolean;
  /** Servers that lack it now. */
  readonly usedBy: readonly string[];
}

/** Something that is quarantined, as a person reads it. */
export interface PinSummary {
  /** `[<peer>/]<server>/<name>`, as `pin_approve` takes it. */
  readonly reference: string;
  /** Alias or PeerId of the owner; absent for a server of this node. */
  readonly peer?: string;
  readonly server: string;
  readonly kind: 'tool' | 'prompt' | 'instructions';
  readonly name: string;
  readonly reason: 'changed' | 'new' | 'renamed' | 'invisible';
  /** The pinned name that it had before it was renamed. */
  readonly was?: string;
  /** Invisible characters in it, and where. */
  readonly flags: readonly InvisibleFlag[];
  /** ms since the epoch */
  readonly since: number;
  /** Lines marked `-` (pinned), `+` (now) or two spaces (both); absent where the list is too long. */
  readonly difference?: readonly string[];
}

/** Result of `pin_list`. */
export interface PinListResult {
  readonly quarantined: readonly PinSummary[];
  /** Definitions that are pinned. */
  readonly pinned: number;
}

/** Result of `pin_approve`. */
export interface PinApproveResult {
  readonly approved: readonly PinSummary[];
}

/** Result of `audit_query`: newest first, and where to go on. */
export interface AuditQueryResult {
  readonly entries: readonly AuditEntry[];
  /** Our names for those of the dids in `entries` that are peers. */
  readonly names?: Readonly<Record<string, string>>;
  /** `before` of the next question; absent when all has been looked at. */
  readonly next?: number;
}

/** Result of `audit_tail`: oldest first, and the cursor to go on from. */
export interface AuditTailResult {
  readonly entries: readonly AuditEntry[];
  /** As in {@link AuditQueryResult}. */
  readonly names?: Readonly<Record<string, string>>;
  readonly cursor: number;
}

/** Result of `audit_verify`. */
export interface AuditVerifyResult extends AuditVerdict {
  /** Peers that were asked what they have seen of this log. */
  readonly witnesses: readonly AuditWitness[];
}

/** What one peer has seen of this node's log. */
export interface AuditWitness {
  /** Its alias. */
  readonly peer: string;
  readonly peerId: string;
  readonly answered: boolean;
  /** Checkpoints of ours that it has seen. */
  readonly seen: number;
  /** The last entry that they cover; 0 when it has seen none. */
  readonly upTo: number;
  /** Those that the log does not fulfil. */
  readonly differs: readonly Checkpoint[];
}

/** Result of `audit_seen`: latest first. */
export interface AuditSeenResult {
  readonly checkpoints: readonly Checkpoint[];
}

/** A grant as `validate_token` and `grants://active` show it. Times are ms since the epoch. */
export interface TokenView {
  readonly id: string;
  readonly issuer: string;
  readonly holder: string;
  readonly owner: string;
  readonly capabilities: readonly Capability[];
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** Result of `validate_token`. */
export interface ValidateTokenResult {
  readonly valid: boolean;
  /** The rule that fails, and why, a line for each link of the chain. */
  readonly rule?: string;
  readonly reason?: string;
  readonly grant?: TokenView;
}

/** Result of `revoke_token`. */
export interface RevokeTokenResult {
  readonly revoked: true;
  readonly id: string;
}

/** Content of `grants://active`. */
export interface ActiveGrantsResult {
  readonly grants: readonly TokenView[];
}

/** One approval as a person reads it. Times are ms since the epoch. */
export interface ApprovalSummary {
  readonly id: string;
  readonly kind: 'call' | 'permission';
  readonly who: string;
  readonly resource: string;
  readonly ability: string;
  /** Arguments as JSON, cut where they are long. */
  readonly args?: string;
  readonly rule: string;
  readonly justification?: string;
  /** Id of the grant that covers it. */
  readonly grant?: string;
  /** Of a permission: who asks through the caller, and what it would get for how long. */
  readonly agentId?: string;
  readonly capabilities?: readonly Capability[];
  readonly lifetimeMs?: number;
  readonly state: 'pending' | 'approved' | 'denied' | 'expired' | 'withdrawn';
  readonly askedAt: number;
  readonly expiresAt: number;
  readonly escalatedAt?: number;
  readonly answeredAt?: number;
  readonly answeredBy?: string;
  readonly reason?: string;
  /** Id of the grant that the approval made. */
  readonly made?: string;
}

/** Result of `approval_list`. */
export interface ApprovalListResult {
  readonly approvals: readonly ApprovalSummary[];
}

/** Result of `approval_ask`: how it stands now. */
export interface ApprovalAskResult {
  /** False when nothing waits that this client may show. */
  readonly asked: boolean;
  readonly id?: string;
  readonly state?: ApprovalSummary['state'];
}

/** Result of `approval_answer`. */
export interface ApprovalAnswerResult {
  readonly approval: ApprovalSummary;
}

/** Result of `policy_check`. */
export type PolicyCheckResult = { readonly file: string } & PolicyCheck;

/** Result of `policy_explain`. */
export interface PolicyExplainResult {
  /** `ask`: yes, once a person has approved it. */
  readonly answer: 'yes' | 'no' | 'ask';
  readonly who: string;
  readonly resource: string;
  readonly ability: string;
  /** How it came about, in order. */
  readonly steps: readonly ExplainedStep[];
  readonly reason?: string;
  readonly hint?: string;
  readonly grant?: string;
}
