/**
 * The AgentCard of an agent of this node (A2A 1.0, `AgentCard`), signed by the node's key: a flattened JWS (RFC 7515
 * §7.2.2) over the card's canonical form, whose `kid` is the did:key that verifies it.
 */
import { AgentCard, canonicalizeAgentCard } from '@a2a-js/sdk';
import { VERSION } from '../../../core/index.ts';
import type { JsonObject } from '../../../core/index.ts';
import type { Signer } from '../../../identity/index.ts';
import type { CardAgent } from '../../types.ts';

/** The version of A2A that is spoken here. */
export const A2A_VERSION = '1.0';
/** What agents read and answer. */
export const MEDIA_TYPES: readonly string[] = ['text/plain', 'application/json'];

/** Where the agent is, and how its callers prove who they are. */
export interface CardInit {
  /** The node's name. */
  readonly node: string;
  /** `https://host/a2a/<agent>`. */
  readonly url: string;
  /** Where the authorization server is described, where the node takes its tokens. */
  readonly oauthMetadataUrl?: string;
}

/** Makes the signed card of `agent`. */
export function signedCardOf(
  signer: Signer,
  agent: CardAgent,
  { node, url, oauthMetadataUrl }: CardInit,
): JsonObject {
  const card = AgentCard.fromJSON({
    name: agent.name,
    description: `${agent.kind} agent ${agent.name} of the Starling node ${node}`,
    supportedInterfaces: [{ url, protocolBinding: 'JSONRPC', protocolVersion: A2A_VERSION }],
    provider: { organization: node, url: new URL(url).origin },
    version: VERSION,
    capabilities: { streaming: true, pushNotifications: false, extendedAgentCard: false },
    ...securityOf(oauthMetadataUrl),
    defaultInputModes: MEDIA_TYPES,
    defaultOutputModes: MEDIA_TYPES,
    skills: agent.skills.map(({ id, description, tags }) => ({
      id,
      name: id,
      description: description ?? id,
      tags: [...tags],
    })),
  });
  const header = { alg: 'EdDSA', typ: 'JOSE', kid: signer.did };
  const protectedHeader = base64url(JSON.stringify(header));
  const input = `${protectedHeader}.${base64url(canonicalizeAgentCard(card))}`;
  const signature = Buffer.from(signer.sign(Buffer.from(input, 'ascii'))).toString('base64url');
  const signatures = [{ protected: protectedHeader, signature, header: undefined }];
  return AgentCard.toJSON({ ...card, signatures }) as JsonObject;
}

/** A key of the node, or a token of the authorization server. */
function securityOf(oauthMetadataUrl: string | undefined): object {
  const key = { httpAuthSecurityScheme: { scheme: 'Bearer', description: 'A key of this node.' } };
  const requirement = { schemes: { key: { list: [] } } };
  if (oauthMetadataUrl === undefined) {
    return { securitySchemes: { key }, securityRequirements: [requirement] };
  }
  const oauth = { oauth2SecurityScheme: { oauth2MetadataUrl: oauthMetadataUrl, flows: {} } };
  return {
    securitySchemes: { key, oauth },
    securityRequirements: [requirement, { schemes: { oauth: { list: [] } } }],
  };
}

function base64url(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64url');
}
