import { errorTable, isDroverError } from '@drover/protocol'
import { MutationCache, QueryCache, QueryClient } from '@tanstack/react-query'
import { healthKey, sessionKey } from './queries.ts'

/** One cache for all pages. A failed answer may mean more than its query: signed out, or the server away. */
export function createQueryClient({ onSignedOut }: { onSignedOut: () => void }): QueryClient {
  const onError = (error: Error) => {
    if (isDroverError(error, 'unauthenticated') || isDroverError(error, 'badCredentials')) {
      if (!queryClient.getQueryData(sessionKey)) return
      queryClient.removeQueries({ queryKey: sessionKey })
      onSignedOut()
    }
    if (isDroverError(error, 'serverUnreachable')) void queryClient.refetchQueries({ queryKey: healthKey })
  }
  const queryClient: QueryClient = new QueryClient({
    queryCache: new QueryCache({
      onError: (error, query) => query.queryKey !== healthKey && onError(error),
    }),
    mutationCache: new MutationCache({ onError }),
    defaultOptions: { queries: { staleTime: 2_000, retry: mayRetry, networkMode: 'always' } },
  })
  return queryClient
}

function mayRetry(failures: number, error: Error): boolean {
  return failures < 2 && (!isDroverError(error) || errorTable[error.code].retryable)
}
