/** `starling audit export` */
import { once } from 'node:events';
import { exportLog } from '../../../audit/index.ts';
import { filterOf } from '../../options/audit-filter.ts';
import type { FilterOptions } from '../../options/audit-filter.ts';
import { auditFolderOf } from '../../node/audit-folder.ts';
import type { FolderOptions } from '../../node/audit-folder.ts';

/** Prints the record as JSON Lines, as fast as the reader takes it. */
export async function run(options: FilterOptions & FolderOptions): Promise<void> {
  const folder = await auditFolderOf(options);
  for await (const lines of exportLog(folder, filterOf(options))) {
    if (!process.stdout.write(lines)) await once(process.stdout, 'drain');
  }
}
