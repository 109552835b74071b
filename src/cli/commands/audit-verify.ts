/** `starling audit verify` */
import { verifyLog } from '../../audit/index.ts';
import type { AuditVerdict } from '../../audit/index.ts';
import type { AuditVerifyResult } from '../../builtin/types.ts';
import { StarlingError } from '../../core/errors.ts';
import { auditDidsOf, auditFolderOf } from '../audit-folder.ts';
import type { FolderOptions } from '../audit-folder.ts';
import { ago, paint, printData, safeLine } from '../output.ts';
import { withNode } from '../sources.ts';

const TIMEOUT_MS = 600_000;

/** Verifies the record; exit code 1 when it does not hold. */
export async function run(options: FolderOptions): Promise<number> {
  const isHere = options.folder === undefined && options.did === undefined;
  const asked = isHere ? await askNode(options) : undefined;
  const verdict =
    asked ?? (await verifyLog(await auditFolderOf(options), { did: await auditDidsOf(options) }));
  printData(verdict, options.json === true, () => show(verdict));
  return verdict.ok ? 0 : 1;
}

/** What the running node says; undefined when none runs. */
async function askNode(options: FolderOptions): Promise<AuditVerdict | undefined> {
  try {
    return await withNode(options, (node) =>
      node.builtin<AuditVerifyResult>('audit_verify', {}, { timeoutMs: TIMEOUT_MS }),
    );
  } catch (error) {
    const isAbsent = error instanceof StarlingError && error.code === 'STARLING_NODE_UNREACHABLE';
    if (isAbsent) return undefined;
    throw error;
  }
}

function show(verdict: AuditVerdict): string {
  const { ok, entries, segments, unsigned, checkpoint, removedThrough, findings } = verdict;
  const signed =
    checkpoint === undefined
      ? 'none is signed yet'
      : `signed up to entry ${checkpoint.seq}, ${ago(checkpoint.at)}${unsigned > 0 ? `, ${unsigned} came since` : ''}`;
  const old = removedThrough > 0 ? `; up to entry ${removedThrough} removed for its age` : '';
  const what = `${entries} ${entries === 1 ? 'entry' : 'entries'} in ${segments} ${segments === 1 ? 'file' : 'files'}: ${signed}${old}`;
  if (ok) return `${paint.green('the record holds')}: ${what}`;
  const lines = findings.map(({ segment, line, rule, text }) => {
    const place = [segment || 'the record', ...(line > 0 ? [`line ${line}`] : [])].join(', ');
    return safeLine(`${place}: ${rule}: ${text}`);
  });
  return [`${paint.red('the record was changed')} (${what})`, ...lines].join('\n');
}
