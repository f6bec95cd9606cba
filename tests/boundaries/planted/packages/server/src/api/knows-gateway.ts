// breaks: outer-rooms-do-not-know-each-other
import '../gateway/listen.ts'
