//! Publishes a workload, asks for all routes and the traffic, and withdraws it again.
//!
//!     caller SOCKET        Redis' unix socket
//!
//! Of Redis it needs two commands, which it speaks itself; `mod bus` could use the crate redis as well.

use serde::{de::DeserializeOwned, Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::collections::HashMap;
use std::error::Error;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NamedProxy<'a> {
    name: &'a str,
    #[serde(rename = "TLSPassthrough")]
    tls_passthrough: bool,
    backends: &'a [&'a str],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Route {
    workload: String,
    kind: String,
    #[serde(rename = "FQDN")]
    fqdn: String,
    backends: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metrics {
    request: HashMap<String, f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    /// Each argument is MessagePack of its own, as binary: a `Vec<u8>` would become an array of numbers.
    inputs: Vec<ByteBuf>,
    object: ObjectId<'a>,
    reply_to: &'a str,
    method: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ObjectId<'a> {
    name: &'a str,
    version: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    output: Output,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    data: Option<ByteBuf>,
    error: Option<CallError>,
}

/// The refusal of a method that ran. Any other error of a call means that it did not reach a method.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CallError {
    message: String,
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for CallError {}

/// One argument.
fn arg<T: Serialize>(value: T) -> ByteBuf {
    // Structs as maps, by the names of their fields.
    ByteBuf::from(rmp_serde::to_vec_named(&value).expect("arguments encode"))
}

/// Calls a method of the gateway and returns its result's bytes; none for a method without one.
fn call(bus: &mut bus::Bus, method: &str, inputs: Vec<ByteBuf>) -> Result<Vec<u8>, Box<dyn Error>> {
    let id = bus::random_name()?;
    let object = ObjectId { name: "manager", version: "0.0.1" };
    let request = Request { id: &id, inputs, object, reply_to: &id, method };
    bus.rpush("gateway.manager@0.0.1", &rmp_serde::to_vec_named(&request)?)?;
    let answer = bus.blpop(&id, 20)?.ok_or_else(|| format!("{method}: no answer within 20 s; it may still take effect"))?;
    let response: Response = rmp_serde::from_slice(&answer)?;
    if let Some(message) = response.error.filter(|message| !message.is_empty()) {
        return Err(message.into());
    }
    if let Some(error) = response.output.error {
        return Err(Box::new(error));
    }
    Ok(response.output.data.map(ByteBuf::into_vec).unwrap_or_default())
}

fn result<T: DeserializeOwned>(bus: &mut bus::Bus, method: &str, inputs: Vec<ByteBuf>) -> Result<T, Box<dyn Error>> {
    Ok(rmp_serde::from_slice(&call(bus, method, inputs)?)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut bus = bus::Bus::connect(&std::env::args().nth(1).ok_or("Redis' socket is missing")?)?;
    let proxy = NamedProxy { name: "web", tls_passthrough: false, backends: &["http://10.1.2.3:9000"] };

    let fqdn: String = result(&mut bus, "SetNamedProxy", vec![arg("37-1976-web"), arg(&proxy)])?;
    println!("published {fqdn}");

    let refused = call(&mut bus, "SetNamedProxy", vec![arg("37-1977-web"), arg(&proxy)]).unwrap_err();
    println!("refused: {}", refused.downcast::<CallError>()?);

    for route in result::<Vec<Route>>(&mut bus, "Routes", vec![])? {
        println!("route {} {} {} {}", route.workload, route.kind, route.fqdn, route.backends.join(" "));
    }

    let metrics: Metrics = result(&mut bus, "Metrics", vec![])?;
    println!("sent to backends: {:.1} bytes", metrics.request.get("37-1976-web").unwrap_or(&0.0));

    call(&mut bus, "DeleteNamedProxy", vec![arg("37-1976-web")])?;
    println!("withdrawn");
    Ok(())
}

/// As much of Redis' protocol, RESP2, as a caller needs.
mod bus {
    use std::fs::File;
    use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
    use std::os::unix::net::UnixStream;

    pub struct Bus(BufReader<UnixStream>);

    impl Bus {
        pub fn connect(socket: &str) -> Result<Bus> {
            Ok(Bus(BufReader::new(UnixStream::connect(socket)?)))
        }

        pub fn rpush(&mut self, queue: &str, payload: &[u8]) -> Result<()> {
            self.send(&[b"RPUSH", queue.as_bytes(), payload])?;
            self.head(b':').map(|_| ())
        }

        /// The first element of a list; `None` when none comes within as many seconds.
        pub fn blpop(&mut self, list: &str, seconds: u32) -> Result<Option<Vec<u8>>> {
            self.send(&[b"BLPOP", list.as_bytes(), seconds.to_string().as_bytes()])?;
            if self.head(b'*')? < 0 {
                return Ok(None);
            }
            self.bytes()?;
            self.bytes().map(Some)
        }

        fn send(&mut self, arguments: &[&[u8]]) -> Result<()> {
            let mut command = format!("*{}\r\n", arguments.len()).into_bytes();
            for argument in arguments {
                write!(command, "${}\r\n", argument.len())?;
                command.extend_from_slice(argument);
                command.extend_from_slice(b"\r\n");
            }
            self.0.get_mut().write_all(&command)
        }

        fn head(&mut self, kind: u8) -> Result<i64> {
            let mut line = String::new();
            self.0.read_line(&mut line)?;
            let number = line.get(1..).and_then(|rest| rest.trim_end().parse().ok());
            match number {
                Some(number) if line.as_bytes()[0] == kind => Ok(number),
                _ => Err(Error::new(ErrorKind::Other, format!("Redis says: {}", line.trim_end()))),
            }
        }

        fn bytes(&mut self) -> Result<Vec<u8>> {
            let mut bytes = vec![0; self.head(b'$')? as usize + 2];
            self.0.read_exact(&mut bytes)?;
            bytes.truncate(bytes.len() - 2);
            Ok(bytes)
        }
    }

    /// 32 hexadecimal digits that nobody else has drawn.
    pub fn random_name() -> Result<String> {
        let mut bytes = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}
