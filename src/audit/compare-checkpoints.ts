/** Compares a log with the checkpoints that others have of it: a few lines are read, no chain. */
import type { Did } from '../core/index.ts';
import { isSealed } from './checkpoint.ts';
import { listSegments, readHead, readLines } from './segments/folder.ts';
import { hashLine, readEntry } from './format.ts';
import type { AuditFinding, Checkpoint } from './types.ts';
import { rewritten } from './verify.ts';

/** What of `seen` the log in `folder` does not fulfil. What `dids` have not signed is ignored. */
export async function compareSeen(
  folder: string,
  dids: readonly Did[],
  seen: readonly Checkpoint[],
): Promise<readonly AuditFinding[]> {
  const open = new Set(seen.filter((one) => dids.includes(one.did) && isSealed(one, 'checkpoint')));
  const head = await readHead(folder);
  const removedThrough = head === 'damaged' ? 0 : (head.removed?.seq ?? 0);
  const segments = await listSegments(folder);
  const findings: AuditFinding[] = [];
  for (const [index, segment] of segments.entries()) {
    const end = segments[index + 1]?.first ?? Infinity;
    const here = [...open].filter(({ seq }) => seq >= segment.first && seq < end);
    if (here.length === 0) continue;
    let line = 0;
    for await (const lines of readLines(segment.path)) {
      for (const { bytes } of lines) {
        line += 1;
        const entry = readEntry(bytes);
        for (const one of here) {
          if (typeof entry === 'string' || entry.seq !== one.seq || !open.delete(one)) continue;
          if (hashLine(bytes) === one.hash) continue;
          findings.push({
            rule: 'rewritten',
            segment: segment.name,
            line,
            text: rewritten(one),
            checkpoint: one,
          });
        }
      }
    }
  }
  for (const one of open) {
    if (one.seq <= removedThrough) continue;
    const at = new Date(one.at).toISOString();
    const text = `entry ${one.seq}, which this node signed at ${at}, is missing`;
    const segment = segments.at(-1)?.name ?? '';
    findings.push({ rule: 'truncated', segment, line: 0, text, checkpoint: one });
  }
  return findings;
}
