/** The schema of `tls` of a server or a provider at an https:// URL: our certificate there, and whose word counts for theirs. */
import { z } from 'zod';

const PATH_LENGTH_MAX = 4096;
const path = z.string().min(1).max(PATH_LENGTH_MAX);

/** How this node shows itself by TLS, and by whom the certificate of the other end is to be signed. */
export const clientTlsSchema = z
  .strictObject({
    cert: path
      .optional()
      .describe("PEM file with this node's certificate, and its chain: from / or ~/."),
    key: path
      .optional()
      .describe(
        'Its private key, not encrypted: a PEM file, or ${secret:NAME} with the PEM itself. No key stands here.',
      ),
    ca: path
      .optional()
      .describe(
        "PEM file with the authorities that sign the server's certificate, in place of those of the system.",
      ),
  })
  .describe(
    'TLS at an https:// URL: a certificate of this node (mutual TLS), authorities of its own, or both.',
  );
