/** The part of y-websocket 2.1.0 that has no types of its own. */
declare module 'y-websocket/bin/utils' {
  export function setupWSConnection(
    connection: unknown,
    request: unknown,
    options: { readonly docName: string },
  ): void;
  export const docs: ReadonlyMap<string, { destroy(): void }>;
}
