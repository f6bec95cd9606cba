import type { MessagePort } from 'node:worker_threads'

/** How a thread reaches the queue: by a port to the log of this process, or as a client of the engine at `url`. */
export type QueueAccess =
  | {
      readonly kind: 'embedded'
      readonly port: MessagePort
      /** Of the log. */
      readonly directory: string
    }
  | { readonly kind: 'kafka' | 'rabbitmq'; readonly url: string }
