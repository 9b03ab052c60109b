/**
 * Messages between the repository and its worker threads. What is large lies in shared memory, which goes back and
 * forth and is used again: no copies, and nothing for the garbage collectors.
 */
import type { RepositoryKeys } from '../crypto/keys.ts';

export interface WorkerSetup {
  readonly keys: RepositoryKeys;
}

/** Blocks to compress and seal into the open pack of a session. */
export interface EncodeRequest {
  readonly type: 'encode';
  readonly session: string;
  readonly data: SharedArrayBuffer;
  /** Where each block begins in `data`, and how long it is. */
  readonly places: Uint32Array;
  readonly ids: Uint8Array;
}

/** Ends the open pack of a session; `discard` forgets it. */
export interface FlushRequest {
  readonly type: 'flush';
  readonly session: string;
  readonly discard: boolean;
}

/** A piece of a pack, to be unpacked. */
export interface DecodeRequest {
  readonly type: 'decode';
  readonly header: Uint8Array;
  readonly data: SharedArrayBuffer;
  /** Where the contents go, one after the other; a byte larger than they may be. */
  readonly out: SharedArrayBuffer;
  /** The piece's offset in the pack. */
  readonly start: number;
  /** For each blob: offset in the pack, length word. */
  readonly places: Uint32Array;
  readonly ids: Uint8Array;
}

/** A whole pack, to be proved. */
export interface ProveRequest {
  readonly type: 'prove';
  readonly hash: string;
  readonly data: SharedArrayBuffer;
  readonly length: number;
}

export type WorkerRequest = EncodeRequest | FlushRequest | DecodeRequest | ProveRequest;

export interface EncodedPack {
  readonly hash: string;
  readonly data: SharedArrayBuffer;
  readonly length: number;
  readonly entries: Uint8Array;
}

export interface EncodeReply {
  readonly packs: readonly EncodedPack[];
}

export interface DecodeReply {
  /** The length of each content; 0 for a damaged one. */
  readonly lengths: Uint32Array;
}

export interface ProveReply {
  readonly isNameRight: boolean;
  /** Entries of 40 bytes of the blobs that are sound; null if the directory cannot be read. */
  readonly sound: Uint8Array | null;
  readonly damaged: Uint8Array | null;
}

/** Gives the memory of a stored pack back to the thread that built it; not answered. */
export interface MemoryReturn {
  readonly memory: SharedArrayBuffer;
}

export interface ReplyOf {
  encode: EncodeReply;
  flush: EncodeReply;
  decode: DecodeReply;
  prove: ProveReply;
}

/** What a thread says: first that it is ready, then an answer to each request. */
export type WorkerAnswer =
  | { readonly ready: true }
  | { readonly job: number; readonly reply?: ReplyOf[keyof ReplyOf]; readonly failure?: string };

/** How much a request puts through zstd and ciphers. */
export function bytesOf(request: WorkerRequest): number {
  switch (request.type) {
    case 'encode':
      return request.data.byteLength;
    case 'decode':
      return request.out.byteLength;
    case 'prove':
      return request.length;
    case 'flush':
      return 0;
  }
}
