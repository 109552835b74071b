/**
 * This node's own catalog document. Its version is on disk before anybody is told of it, so that it goes up over restarts,
 * and stays where what is listed has stayed: then nobody fetches it again.
 */
import { createHash } from 'node:crypto';
import { isCount } from '../../core/index.ts';
import type { Clock, Logger, PeerId } from '../../core/index.ts';
import type { Signer } from '../../identity/index.ts';
import type { Table } from '../../store/index.ts';
import type { Listing } from '../types.ts';
import { bodyOf, sealDocument } from './document.ts';
import type { CatalogDocument } from './document.ts';

const KEY = 'own';

/** Where versions are kept, and whose key signs. */
export interface OwnDocumentComponents {
  readonly table: Table;
  readonly self: PeerId;
  readonly identity: Pick<Signer, 'sign'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly logger: Logger;
}

/** The document, as it is now. */
export interface OwnDocument {
  /** Undefined while nothing is listed. */
  readonly current: CatalogDocument | undefined;
  /** How many items were left out because the document would be too long. */
  readonly cut: number;
  /**
   * Lists this from now on; one call at a time. False when that is what was listed already.
   * @throws STARLING_STATE_UNUSABLE when the disk refuses; then all is as it was
   */
  list(listing: Listing): Promise<boolean>;
}

/** What is on disk: the version, and of what. */
interface Row {
  readonly version: number;
  readonly body: string;
}

/** Nothing is listed yet. */
export function createOwnDocument(components: OwnDocumentComponents): OwnDocument {
  const { clock, identity, logger, self, table } = components;
  let current: CatalogDocument | undefined;
  let digest = '';
  let cut = 0;
  const versionOf = async (body: string): Promise<number> => {
    const known = rowIn(await table.get(KEY));
    if (known?.body === body) return known.version;
    const version = Math.max(clock.now(), (known?.version ?? 0) + 1);
    const row: Row = { version, body };
    await table.put(KEY, Buffer.from(JSON.stringify(row), 'utf8'));
    return version;
  };
  return {
    get current() {
      return current;
    },
    get cut() {
      return cut;
    },
    async list(listing) {
      if (listing.servers.length === 0 && listing.agents.length === 0) {
        const hadSome = current !== undefined;
        [current, digest, cut] = [undefined, '', 0];
        return hadSome;
      }
      const body = bodyOf(listing);
      const next = createHash('sha256').update(body.bytes).digest('hex');
      if (next === digest) return false;
      const version = await versionOf(next);
      current = sealDocument(identity, { owner: self, version, body: body.bytes });
      [digest, cut] = [next, body.cut];
      logger.debug({ version, bytes: current.bytes.length, cut }, 'what is listed is another');
      return true;
    },
  };
}

/** Undefined when there is none, or when it is damaged: then the time is the next version. */
function rowIn(bytes: Uint8Array | undefined): Row | undefined {
  if (bytes === undefined) return undefined;
  try {
    const { version, body } = JSON.parse(Buffer.from(bytes).toString('utf8')) as Partial<Row>;
    if (!isCount(version) || typeof body !== 'string') return undefined;
    return version < Number.MAX_SAFE_INTEGER ? { version, body } : undefined;
  } catch {
    return undefined;
  }
}
