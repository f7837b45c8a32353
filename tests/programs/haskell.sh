# needs: ghc
# heavy: yes
# Two processors, a clock of signals, and calls that are left by exceptions.
cat > main.hs <<'HS'
import Control.Concurrent
import Control.Exception
import System.Process
import System.Timeout
main :: IO ()
main = do
  sums <- mapM (\n -> do { done <- newEmptyMVar; _ <- forkIO (evaluate (sum [1 .. n * 10000]) >>= putMVar done); return done }) [1 .. 20 :: Integer]
  mapM takeMVar sums >>= print . sum
  timeout 100000 (threadDelay 10000000) >>= print
  waiting <- newEmptyMVar :: IO (MVar ())
  try (takeMVar waiting) >>= \r -> print (r :: Either BlockedIndefinitelyOnMVar ())
  try (evaluate (1 `div` (0 :: Int))) >>= \r -> print (r :: Either ArithException Int)
  system "exit 5" >>= print
HS
ghc -v0 -threaded -rtsopts main.hs -o main && ./main +RTS -N2 -V0.001; echo $?
