/** Violations that owners still mend. The list only shrinks: an entry that no longer holds fails. */
export const KNOWN: readonly string[] = [
  'folder: src/cli/client-files/node-config.ts → src/cli/node/client.ts',
  'folder: src/cli/client-files/node-config.ts → src/cli/node/locate-node.ts',
  'folder: src/cli/client-files/node-config.ts → src/cli/node/locate-node.ts (type)',
  'folder: src/cli/options/grant-conditions.ts → src/cli/node/locate-node.ts (type)',
  'folder: src/cli/terminal/audit-entries.ts → src/cli/node/locate-node.ts (type)',
  'call path: src/guard/guard/guard.ts → src/guard/policy/caller-rules.ts → src/guard/policy/schema.ts → zod',
];
