/** Violations that owners still mend. The list only shrinks: an entry that no longer holds fails. */
export const KNOWN: readonly string[] = [
  'folder: src/cli/client-files/node-config.ts → src/cli/node/client.ts',
  'folder: src/cli/client-files/node-config.ts → src/cli/node/locate-node.ts',
  'folder: src/cli/client-files/node-config.ts → src/cli/node/locate-node.ts (type)',
  'folder: src/cli/options/grant-conditions.ts → src/cli/node/locate-node.ts (type)',
  'folder: src/cli/terminal/audit-entries.ts → src/cli/node/locate-node.ts (type)',
  'folder: src/cli/terminal/text-diff.ts → src/cli/client-files/jsonc.ts (type)',
  'call path: src/gateway/session/search-mode.ts → src/gateway/catalog/search-tools.ts → zod',
  'folder: src/gateway/types.ts → src/gateway/door/api-keys.ts (type)',
  'cycle: src/gateway/upstreams/era-bridge.ts → src/gateway/upstreams/managed-upstream.ts → src/gateway/upstreams/era-bridge.ts',
  'folder: src/gateway/wire/batch.ts → src/gateway/session/types.ts (type)',
  'folder: src/gateway/wire/batch.ts → src/gateway/types.ts (type)',
  'folder: src/gateway/wire/channel.ts → src/gateway/session/waiting-notice.ts',
  'folder: src/gateway/wire/channel.ts → src/gateway/types.ts (type)',
  'folder: src/gateway/wire/client-handshake.ts → src/gateway/types.ts (type)',
  'folder: src/gateway/wire/era.ts → src/gateway/types.ts (type)',
  'folder: src/gateway/wire/frame.ts → src/gateway/types.ts (type)',
];
