/** `starling audit export` */
import { once } from 'node:events';
import { exportLog } from '../../../audit/index.ts';
import { filterOf } from '../../options/audit-filter.ts';
import type { FilterOptions } from '../../options/audit-filter.ts';
import { auditFolderOf } from '../../node/audit-folder.ts';
import type { FolderOptions } from '../../node/audit-folder.ts';
import { createWorkProgress } from '../../terminal/progress.ts';

/** Prints the record as JSON Lines, as fast as the reader takes it. */
export async function run(options: FilterOptions & FolderOptions): Promise<void> {
  const folder = await auditFolderOf(options);
  const progress = createWorkProgress();
  let [bytes, share] = [0, 0];
  const show = (): void => {
    // Whoever sees the lines themselves sees that it goes on.
    if (process.stdout.isTTY) return;
    progress.show(`exporting the record: ${(bytes / 1_000_000).toFixed(0)} MB`, share);
  };
  const read = (part: number): void => {
    share = part;
    show();
  };
  try {
    for await (const lines of exportLog(folder, filterOf(options), read)) {
      bytes += lines.length;
      show();
      if (!process.stdout.write(lines)) await once(process.stdout, 'drain');
    }
  } finally {
    progress.done();
  }
}
