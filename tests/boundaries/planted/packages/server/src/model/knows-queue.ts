// breaks: model-imports-nothing-outside
import type { Queue } from '../queue/queue.ts'
export type Kept = Queue
