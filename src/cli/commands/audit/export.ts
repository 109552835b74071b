/** `starling audit export` */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { exportLog } from '../../../audit/index.ts';
import type { AuditFilter } from '../../../audit/index.ts';
import { filterOf } from '../../options/audit-filter.ts';
import type { FilterOptions } from '../../options/audit-filter.ts';
import { auditFolderOf } from '../../node/audit-folder.ts';
import type { FolderOptions } from '../../node/audit-folder.ts';
import { createWorkProgress } from '../../terminal/progress.ts';
import type { WorkProgress } from '../../terminal/progress.ts';

/** Prints the record as JSON Lines, as fast as the reader takes it. */
export async function run(options: FilterOptions & FolderOptions): Promise<void> {
  const folder = await auditFolderOf(options);
  // Whoever sees the lines themselves sees that it goes on.
  const progress = process.stdout.isTTY ? undefined : createWorkProgress();
  await printLog({ folder, filter: filterOf(options), out: process.stdout, progress });
}

/** Writes the log in `folder` to `out`; `progress` is told how much was written, and which share of the files was read. */
export async function printLog({
  folder,
  filter,
  out,
  progress,
}: {
  readonly folder: string;
  readonly filter: AuditFilter;
  readonly out: Writable;
  readonly progress: Pick<WorkProgress, 'show' | 'done'> | undefined;
}): Promise<void> {
  let [bytes, share] = [0, 0];
  const show = (): void =>
    progress?.show(`exporting the record: ${(bytes / 1_000_000).toFixed(0)} MB`, share);
  const read = (part: number): void => {
    share = part;
    show();
  };
  try {
    for await (const lines of exportLog(folder, filter, read)) {
      bytes += lines.length;
      show();
      if (!out.write(lines)) await once(out, 'drain');
    }
  } finally {
    progress?.done();
  }
}
