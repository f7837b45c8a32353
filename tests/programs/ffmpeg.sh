# needs: ffmpeg
# heavy: yes
ffmpeg -nostdin -loglevel error -f lavfi -i testsrc=duration=1:size=160x120:rate=10 -f lavfi -i sine=duration=1 -threads 2 -c:v mpeg4 -c:a flac -bitexact -fflags +bitexact out.mkv; echo $?
ffmpeg -nostdin -loglevel error -threads 2 -i out.mkv -f framemd5 - | grep -v '^#' | md5sum
ffprobe -loglevel error -show_entries stream=codec_name,nb_read_frames -count_frames -of csv out.mkv
ffmpeg -nostdin -loglevel error -i out.mkv -vf scale=80:60,hue=s=0 -frames:v 1 out.png && ffmpeg -nostdin -loglevel error -i out.png -f md5 -
(ffmpeg -nostdin -loglevel quiet -re -f lavfi -i testsrc -progress progress -f null - & echo $! > pid; wait $!; echo $?) &
for i in $(seq 1000); do grep -q frame= progress 2> /dev/null && break; sleep 0.05; done; kill -TERM "$(cat pid)"; wait
