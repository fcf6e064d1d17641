//! One connection to the primary, looked at before it is used: whether it is a primary, and whose keys are there. Or to a replica,
//! which is asked only for what nobody else can be.

use std::collections::BTreeMap;
use std::pin::{Pin, pin};

use futures_util::future::{Either, select};
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, Value};

use super::address::RedisHost;
use super::reply::Fields;
use super::script::{MARKER, Request, Script};
use super::{Known, dial, fault};
use crate::store::error::StoreError;

/// The form of all that is kept, beside the form of each record: which keys there are, and what they mean. It is part of the
/// names of the keys.
pub(super) const FORM: u8 = 1;

/// A connection, and what is known of its other end.
pub(super) struct Link {
    connection: MultiplexedConnection,
    /// Moves the bytes; it ends with the connection.
    driver: Pin<Box<dyn Future<Output = ()>>>,
    names: BTreeMap<Script, String>,
    /// What the names of our keys begin with.
    prefix: Vec<u8>,
    pub(super) host: RedisHost,
    /// Whether the other end must be one to write to.
    is_primary: bool,
}

/// What came of a round trip.
pub(super) struct Exchanged {
    /// An answer to each request, in order.
    pub(super) values: Vec<Value>,
    /// How many replicas have what was written; 0 if nobody asked.
    pub(super) replicas: usize,
}

impl Link {
    /// Connects, and makes sure that what stands there is ours.
    pub(super) async fn open(known: &Known) -> Result<Self, StoreError> {
        let address = &known.address;
        let host = dial::primary(address, known.settings.connect_timeout).await?;
        let stream = dial::connect(address, &host).await?;
        let mut link = Self::over(known, host, stream).await?;
        link.is_primary = true;
        link.look_around(known).await?;
        Ok(link)
    }

    /// Connects to a replica. What is read there tells by its seal whether it is ours.
    pub(super) async fn open_replica(known: &Known) -> Result<Self, StoreError> {
        let limit = known.settings.connect_timeout;
        let (host, stream) = dial::replica(&known.address, limit).await?;
        let mut link = Self::over(known, host, stream).await?;
        link.load().await?;
        Ok(link)
    }

    async fn over(
        known: &Known,
        host: RedisHost,
        stream: Box<dyn dial::Duplex>,
    ) -> Result<Self, StoreError> {
        let address = &known.address;
        let login = dial::login(&address.login, address.database);
        let (connection, driver) = dial::open(&login, stream).await?;
        Ok(Self {
            connection,
            driver: Box::pin(driver),
            names: BTreeMap::new(),
            prefix: format!("{}{FORM}:", known.settings.prefix).into_bytes(),
            host,
            is_primary: false,
        })
    }

    /// All that is looked at, and left there, before anything is asked: in one round trip, for the other end may be across an ocean.
    async fn look_around(&mut self, known: &Known) -> Result<(), StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("ROLE");
        ask_for_marker(&mut pipeline, known);
        leave_scripts(&mut pipeline);
        let mut said = self.send(&pipeline).await?.into_iter();
        self.check_is_fit(said.next().unwrap_or_default())?;
        check_marker(known, said.next().unwrap_or_default())?;
        self.learn_names(said)
    }

    /// Fails unless the other end is a primary, where it has to be one.
    pub(super) async fn check_role(&mut self) -> Result<(), StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("ROLE");
        let role = self.send(&pipeline).await?.pop().unwrap_or_default();
        self.check_is_fit(role)
    }

    fn check_is_fit(&self, role: Value) -> Result<(), StoreError> {
        let role = Fields::of("role of Redis", role)?.bytes()?;
        let is_fit = !self.is_primary || role == b"master";
        is_fit.then_some(()).ok_or(StoreError::ReadOnly)
    }

    /// Leaves the scripts there, to be called by the names that Redis gives them.
    async fn load(&mut self) -> Result<(), StoreError> {
        let mut pipeline = Pipeline::new();
        leave_scripts(&mut pipeline);
        let names = self.send(&pipeline).await?;
        self.learn_names(names)
    }

    fn learn_names(&mut self, names: impl IntoIterator<Item = Value>) -> Result<(), StoreError> {
        self.names.clear();
        for (script, name) in Script::ALL.iter().zip(names) {
            let name = Fields::of("script", Value::Array(vec![name]))?.text();
            let refused =
                |_| StoreError::Denied("it does not take our scripts (SCRIPT LOAD)".into());
            self.names.insert(*script, name.map_err(refused)?);
        }
        Ok(())
    }

    /// Sends requests and, with `wait`, asks how many replicas have what was written: at least so many, or as many as have it
    /// after so many milliseconds.
    pub(super) async fn exchange(
        &mut self,
        requests: &[&Request],
        wait: Option<(usize, u64)>,
    ) -> Result<Exchanged, StoreError> {
        let mut exchanged = self.run(requests, wait).await?;
        let is_forgotten = |value: &Value| matches!(value, Value::ServerError(error) if error.code() == "NOSCRIPT");
        if exchanged.values.iter().any(is_forgotten) {
            // Somebody flushed the scripts. What was not run is run now.
            self.load().await?;
            let missing = requests.iter().zip(&exchanged.values);
            let missing = missing.filter(|(_, value)| is_forgotten(value));
            let missing: Vec<_> = missing.map(|(request, _)| *request).collect();
            let again = self.run(&missing, wait).await?;
            let places = exchanged
                .values
                .iter_mut()
                .filter(|value| is_forgotten(value));
            for (place, value) in places.zip(again.values) {
                *place = value;
            }
            exchanged.replicas = again.replicas;
        }
        Ok(exchanged)
    }

    async fn run(
        &mut self,
        requests: &[&Request],
        wait: Option<(usize, u64)>,
    ) -> Result<Exchanged, StoreError> {
        let mut pipeline = Pipeline::with_capacity(requests.len() + 1);
        for request in requests {
            let name = self.names.get(&request.script);
            let call = pipeline.cmd("EVALSHA").arg(name).arg(1).arg(&self.prefix);
            for arg in &request.args {
                call.arg(arg);
            }
        }
        if let Some((replicas, millis)) = wait {
            pipeline.cmd("WAIT").arg(replicas).arg(millis);
        }
        let mut values = self.send(&pipeline).await?;
        let replicas = match wait.and_then(|_| values.pop()) {
            Some(Value::Int(replicas)) => usize::try_from(replicas).unwrap_or(0),
            Some(Value::ServerError(error)) => return Err(fault::of_server(&error)),
            Some(_) | None => 0,
        };
        Ok(Exchanged { values, replicas })
    }

    async fn send(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let mut connection = self.connection.clone();
        let sent = connection.send_packed_commands(pipeline, 0, pipeline.len());
        let values = self.until(sent).await?;
        let values = values.map_err(|error| fault::of_client(&error))?;
        let is_whole = values.len() == pipeline.len();
        is_whole
            .then_some(values)
            .ok_or(StoreError::Damaged("answer"))
    }

    /// Waits for something, as long as the connection lasts.
    pub(super) async fn until<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, StoreError> {
        match select(pin!(work), self.driver.as_mut()).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right(((), _)) => Err(StoreError::Away(format!("{} hung up", self.host))),
        }
    }
}

fn leave_scripts(pipeline: &mut Pipeline) {
    for script in Script::ALL {
        pipeline.cmd("SCRIPT").arg("LOAD").arg(script.source());
    }
}

fn ask_for_marker(pipeline: &mut Pipeline, known: &Known) {
    pipeline
        .cmd("EVAL")
        .arg(MARKER)
        .arg(1)
        .arg(format!("{}store", known.settings.prefix))
        .arg(FORM)
        .arg(format!("{:032x}", known.sealer.fingerprint()));
}

/// Fails unless what stands there is ours.
fn check_marker(known: &Known, marker: Value) -> Result<(), StoreError> {
    let unfit = |why: String| Err(StoreError::Unfit(why));
    let prefix = &known.settings.prefix;
    let mut marker = Fields::of("marker", marker)?;
    match marker.text()?.as_str() {
        "ours" => Ok(()),
        "newer" => {
            let form = marker.text()?;
            unfit(format!(
                "a newer version of ringback keeps its own there (form {form}, this version knows up to {FORM}): go back \
                 to that version, or give this one another prefix (shared.prefix)"
            ))
        }
        "key" => unfit(
            "what stands there is sealed with another key: bring that key back (shared.key), or begin anew under \
             another prefix (shared.prefix), without the promises there"
                .into(),
        ),
        _ => unfit(format!(
            "the key {prefix}store is somebody else's; it was left as it is: give ringback another prefix \
             (shared.prefix) or database"
        )),
    }
}
