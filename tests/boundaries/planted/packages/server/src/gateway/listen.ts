import '../queue/queue.ts'
import '../threads/rpc.ts'
export const listen = 1
