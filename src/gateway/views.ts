/**
 * What one kind of caller sees: the list of tools, serialised once and cut into pages. Lists are
 * asked for far more often than they change, and the same one serves every session that sees it.
 */
import { createHash } from 'node:crypto';
import type { ListedTool } from '../directory/index.ts';

/** Tools on one page: most clients ask for no second one. */
const PAGE_TOOLS_MAX = 1000;
/** Bytes on one page, so that it stays far below anybody's limit for a message. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024;

/** A list of tools as a caller sees it. */
export interface ToolView {
  readonly names: readonly string[];
  /** Equal digests mean equal lists. */
  readonly digest: string;
  /** The members of a `tools/list` result without its braces; undefined past the last page. */
  page(index: number): Buffer | undefined;
}

/** Makes the view of `tools`. */
export function createToolView(tools: readonly ListedTool[]): ToolView {
  const pages: string[][] = [[]];
  let pageBytes = 0;
  const hash = createHash('sha256');
  for (const tool of tools) {
    const text = JSON.stringify(tool);
    hash.update(text);
    const page = pages.at(-1) ?? [];
    const sizeBytes = Buffer.byteLength(text);
    const isFull = page.length >= PAGE_TOOLS_MAX || pageBytes + sizeBytes > PAGE_BYTES_MAX;
    if (isFull && page.length > 0) {
      pages.push([text]);
      pageBytes = sizeBytes;
    } else {
      page.push(text);
      pageBytes += sizeBytes;
    }
  }
  const written = pages.map((page, index) => {
    const next = index + 1 < pages.length ? `,"nextCursor":"${index + 1}"` : '';
    return Buffer.from(`"tools":[${page.join(',')}]${next}`);
  });
  return {
    names: tools.map((tool) => tool.name),
    digest: hash.digest('base64url'),
    page: (index) => written[index],
  };
}
