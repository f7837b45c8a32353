# needs: rustc
cat > main.rs <<'EOF'
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::{process, thread, time::Duration};

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || { let mut b = [0; 5]; stream.read_exact(&mut b).unwrap(); stream.write_all(&b).unwrap(); });
        }
    });
    let (send, receive) = mpsc::channel();
    for i in 0..20 {
        let send = send.clone();
        thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"hello").unwrap();
            let mut back = String::new();
            stream.read_to_string(&mut back).unwrap();
            send.send((i, back)).unwrap();
        });
    }
    drop(send);
    let mut all: Vec<_> = receive.iter().collect();
    all.sort();
    println!("{} {:?}", all.len(), all[19]);
    println!("{:?}", thread::spawn(|| -> () { panic!("caught") }).join().is_err());
    println!("{:?}", process::Command::new("sh").args(["-c", "exit 2"]).status());
    thread::sleep(Duration::from_millis(20));
    println!("{:?}", thread::Builder::new().stack_size(64 << 10).spawn(|| 1).unwrap().join());
}
EOF
rustc -O -o main main.rs && ./main 2>/dev/null; echo $?
