import { Center, Loader } from '@mantine/core'

export function PageLoading() {
  return (
    <Center mih={320}>
      <Loader size="sm" aria-label="Loading" />
    </Center>
  )
}
