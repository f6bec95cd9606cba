import compress from '@fastify/compress'
import type { Api } from './fastify.ts'
import { isFromHere } from './from-here.ts'

/** Answers smaller than this are sent as they are. */
const compressFromBytes = 4_096
/** Compressed bytes written at a time: most answers are one chunk, where Node's 16 KB would make many of them. */
const chunkBytes = 131_072

/** Compresses large answers for whoever takes it and has a network to save: to this machine it only costs time. */
export async function compressAnswers(api: Api): Promise<void> {
  api.addHook('onRequest', async (request) => {
    if (isFromHere(request)) request.headers['x-no-compression'] = 'local'
  })
  // Brotli and zstd at their defaults cost more time than the network saves.
  await api.register(compress, {
    globalDecompression: false,
    threshold: compressFromBytes,
    encodings: ['gzip'],
    zlibOptions: { level: 3, chunkSize: chunkBytes },
  })
}
