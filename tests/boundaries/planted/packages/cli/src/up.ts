import '../../server/src/index.ts'
import '../../sdk/src/client/index.ts'
export const up = 1
