/** Secrets: what a node keeps encrypted, by name. */
export { CONTEXTS_TABLE, SEALED_TABLES } from './encryption.ts';
export type { SecretInfo } from './encryption.ts';
export { createSecretStore } from './secret-store.ts';
export type { SecretStore } from './secret-store.ts';
export { createLoginStore } from './login-store.ts';
export type { StoredClient, StoredLogin, StoredTokens, LoginStore } from './login-store.ts';
