/** The lists of MCP as a session answers them: page by page, from what is serialised already. */
import { idText } from '../wire/frame-id.ts';
import { CACHING, protocolError } from '../wire/era.ts';
import type { Era } from '../wire/era.ts';
import { RPC } from '../wire/frame.ts';
import type { View } from '../catalog/types.ts';
import type { RequestFrame } from '../frame-types.ts';
import type { ListKind } from '../catalog/lists.ts';

const RESULT_END = Buffer.from('}}');

/** What is listed: to whom, and of what. */
export interface Listing {
  readonly view: View;
  readonly kind: ListKind;
  /** The pages that stand for all tools where the view is in search mode. */
  readonly searchPages: readonly Buffer[];
}

/** The answer to one list request. @throws -32602 for a cursor that is not one of ours */
export function listPage(frame: RequestFrame, era: Era, listing: Listing): Buffer {
  const cursor = frame.params['cursor'] ?? '0';
  const isOurs = typeof cursor === 'string' && /^\d{1,6}$/.test(cursor);
  const index = isOurs ? Number(cursor) : -1;
  const { view, kind, searchPages } = listing;
  const { lists, toolsMode } = view;
  const isShort = kind === 'tools' && toolsMode === 'search';
  const page = isShort ? searchPages[index] : lists.page(kind, index);
  if (page === undefined) {
    throw protocolError(RPC.invalidParams, 'this cursor is not one of ours');
  }
  const extra =
    era === 'modern'
      ? `${JSON.stringify({ resultType: 'complete', ...CACHING }).slice(1, -1)},`
      : '';
  const head = `{"jsonrpc":"2.0","id":${idText(frame.id)},"result":{${extra}`;
  return Buffer.concat([Buffer.from(head), page, RESULT_END]);
}
