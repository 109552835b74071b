/** What the tools about API keys and attached clients return. */
import type { ApiKey } from '../../gateway/index.ts';

/** One API key as a person reads it. */
export interface KeySummary extends ApiKey {
  readonly state: 'valid' | 'expired';
}

/** Result of `key_create`: the only time that the key itself is shown. */
export interface KeyCreateResult {
  readonly key: string;
  readonly info: KeySummary;
}

/** Result of `key_list`. */
export interface KeyListResult {
  readonly keys: readonly KeySummary[];
}

/** Result of `key_revoke`. */
export interface KeyRevokeResult {
  readonly revoked: KeySummary;
}

/** Result of `client_connect`: the only time that a key is shown. */
export interface ClientConnectResult {
  readonly name: string;
  readonly key?: string;
}

/** Result of `client_disconnect`. */
export interface ClientDisconnectResult {
  readonly freed: boolean;
}

/** Result of `token_rotate`. */
export interface TokenRotateResult {
  readonly rotated: true;
}
