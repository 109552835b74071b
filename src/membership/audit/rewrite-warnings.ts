/** Says that an audit log was rewritten: in the log, in the audit log, and to a person. */
import type { Audit, CheckpointStore, Rewrite } from '../../audit/index.ts';
import type { Did, Health, Logger } from '../../core/index.ts';
import type { Membership } from '../types.ts';

/** What is known of rewritten logs, and where warnings of them are raised. */
export interface RewriteWarningsComponents {
  readonly membership: Pick<Membership, 'find'>;
  readonly audit: Pick<Audit, 'note'>;
  readonly checkpoints: Pick<CheckpointStore, 'nodes' | 'rewrites'>;
  /** This node. */
  readonly self: Did;
  readonly health: Pick<Health, 'clear' | 'raise'>;
  readonly logger: Logger;
}

/** Warns of rewritten logs. */
export interface RewriteWarnings {
  /** Warns of a rewrite that was just found, and notes it; `witness` is the peer that showed it. */
  found(rewrite: Rewrite, witness?: Did): void;
  /** Warns of a rewrite that was found before. Returns what is said of it. */
  warn(rewrite: Rewrite): string;
  /** Takes back the warnings of rewrites that the store has forgotten. */
  clearForgotten(): void;
}

/** None is raised before `warn` or `found`, not even of rewrites that are known. */
export function createRewriteWarnings(components: RewriteWarningsComponents): RewriteWarnings {
  const { audit, checkpoints, health, logger, self } = components;
  const warn = (rewrite: Rewrite): string => {
    const isSelf = rewrite.did === self;
    const text = describe(components, rewrite);
    const hint = isSelf
      ? 'see where, and who saw what: starling audit verify'
      : 'its record proves nothing from before; ask its operator (starling audit verify there)';
    health.raise({ code: codeOf(rewrite.did), text, hint });
    return text;
  };
  return {
    warn,
    found(rewrite, witness) {
      const text = warn(rewrite);
      logger.warn({ did: rewrite.did, seq: rewrite.before.seq }, 'an audit log was rewritten');
      audit.note({
        kind: 'mesh',
        who: rewrite.did,
        what: { ability: 'audit/rewrite', resource: `agent:${rewrite.did}` },
        outcome: 'failed',
        reason: witness === undefined ? text : `${text}; seen by ${witness}`,
      });
    },
    clearForgotten() {
      const rewritten = new Set(checkpoints.rewrites().map(({ did }) => did));
      for (const did of checkpoints.nodes()) if (!rewritten.has(did)) health.clear(codeOf(did));
    },
  };
}

function codeOf(did: Did): string {
  return `audit-rewritten:${did}`;
}

function describe(
  { membership, self }: RewriteWarningsComponents,
  { did, before, after }: Rewrite,
): string {
  const at = new Date(before.at).toISOString();
  const proof =
    after === undefined
      ? `it no longer has the entry ${before.seq} that it signed at ${at}`
      : `it signed two different entries ${before.seq}, at ${at} and ${new Date(after.at).toISOString()}`;
  const alias = membership.find(did)?.alias;
  const who = did === self ? 'this node' : (alias ?? did);
  return `${who} has rewritten its audit log, at or before entry ${before.seq}: ${proof}`;
}
