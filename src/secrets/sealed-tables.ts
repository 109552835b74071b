/** What this room keeps sealed for the node's key: another key must be able to open it, too. */
import type { SealedTable } from '../identity/index.ts';
import { SECRETS_TABLE } from './secret-store.ts';
import { LOGINS_TABLE } from './token-store.ts';

/** All such tables. */
export const SEALED_TABLES: readonly SealedTable[] = [LOGINS_TABLE, SECRETS_TABLE];
