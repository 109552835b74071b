/**
 * How this node shows itself at an https:// URL: its certificate, and the authorities that count there. Files and secrets
 * are read when a connection is opened, so that a certificate that was renewed counts from the next connection on.
 */
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import type { ClientTls } from '../../../config/index.ts';
import { StarlingError, messageOf } from '../../../core/index.ts';

/** A certificate with its chain, or a bundle of all authorities of a system, is smaller. */
const PEM_BYTES_MAX = 1024 * 1024;
const PEM = '-----BEGIN ';

/** What a connection by TLS is opened with; see `tls.connect`. */
export interface IdentityOptions {
  readonly secureContext: SecureContext;
}

/** How this node shows itself to one server. Each has connections of its own. */
export interface ClientIdentity {
  /** As it is now. @throws STARLING_CONFIG_INVALID, STARLING_SECRET_MISSING, STARLING_SECRET_INVALID */
  read(): IdentityOptions;
}

/** Makes it; `key` is where `tls` stands in the configuration. Nothing is read yet. */
export function createClientIdentity(tls: ClientTls, key: string): ClientIdentity {
  return {
    read() {
      const cert = readPem(`${key}.cert`, tls.cert);
      const ca = readPem(`${key}.ca`, tls.ca);
      const parts = {
        ...(cert === undefined ? {} : { cert }),
        ...privateKey(tls, key),
        ...(ca === undefined ? {} : { ca }),
      };
      try {
        return { secureContext: createSecureContext(parts) };
      } catch (error) {
        throw unfit(key, error);
      }
    },
  };
}

function privateKey(tls: ClientTls, key: string): { readonly key?: string } {
  const file = readPem(`${key}.key`, tls.keyFile);
  if (file !== undefined) return { key: file };
  if (tls.key === undefined) return {};
  const text = tls.key.reveal();
  if (text.includes(PEM)) return { key: text };
  const [name = 'NAME'] = tls.key.names();
  throw new StarlingError(
    'STARLING_SECRET_INVALID',
    `${key}.key: the secret ${name} is no private key in the form PEM`,
    { hint: `set it anew: starling secret set ${name}` },
  );
}

function readPem(key: string, path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const text = readText(key, path);
  if (!text.includes(PEM))
    throw invalid(`${key}: ${path} is not a PEM file`, 'convert it with openssl');
  return text;
}

function readText(key: string, path: string): string {
  try {
    // What is no file, like a pipe, might never come to an end.
    const { size } = fileStats(path);
    if (size <= PEM_BYTES_MAX) return readFileSync(path, 'utf8');
  } catch (error) {
    const hint = 'check the path, and that the node may read the file';
    throw invalid(`${key}: the file ${path} can't be read: ${messageOf(error)}`, hint, error);
  }
  throw invalid(`${key}: the file ${path} has more than 1 MiB`, 'name the PEM file itself');
}

function fileStats(path: string): { readonly size: number } {
  const stats = statSync(path);
  if (!stats.isFile()) throw new Error('it is no file');
  return stats;
}

/** What OpenSSL says names no bytes of a key. */
function unfit(key: string, error: unknown): StarlingError {
  return invalid(
    `${key}: certificate and key can't be used together: ${messageOf(error)}`,
    'give a certificate (with its chain) and its own private key, both PEM and not encrypted',
    error,
  );
}

function invalid(what: string, hint: string, cause?: unknown): StarlingError {
  return new StarlingError('STARLING_CONFIG_INVALID', what, { hint, cause });
}
