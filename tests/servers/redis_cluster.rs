//! A Redis Cluster of one's own: masters that share the slots, put together by hand.

use crate::redis_server::{RedisServer, free_port, wait_until};

/// Gone with the test.
pub(crate) struct RedisCluster {
    masters: Vec<Member>,
}

/// A server that speaks to others of its cluster.
pub(crate) struct Member {
    pub(crate) server: RedisServer,
    /// For the others.
    bus: u16,
}

const SLOTS: usize = 16384;

impl RedisCluster {
    /// Servers of which each has as many slots as the others, and which serve on when one of them is gone.
    pub(crate) fn start(masters: usize) -> Self {
        let masters: Vec<Member> = (0..masters).map(|_| Member::start()).collect();
        let cluster = Self { masters };
        for (number, member) in cluster.masters.iter().enumerate() {
            let (first, after) = (SLOTS * number, SLOTS * (number + 1));
            let count = cluster.masters.len();
            let (first, last) = (first / count, after / count - 1);
            member.must(&format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1));
            member.must(&format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
        }
        for member in cluster.masters.iter().skip(1) {
            cluster.meet(member);
        }
        wait_until("the cluster serves", || {
            let complete = |member: &Member| {
                let info = member.server.command("CLUSTER INFO");
                info.contains("cluster_state:ok")
                    && info.contains(&format!("cluster_size:{}", cluster.masters.len()))
            };
            cluster.masters.iter().all(complete)
        });
        cluster
    }

    fn meet(&self, member: &Member) {
        let (port, bus) = (member.server.port(), member.bus);
        self.master(0).must(&format!("CLUSTER MEET 127.0.0.1 {port} {bus}"));
    }

    pub(crate) fn master(&self, number: usize) -> &Member {
        self.masters.get(number).unwrap()
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        self.masters.iter().map(|member| member.server.port()).collect()
    }

    /// Another master, without slots, which all others know.
    pub(crate) fn newcomer(&self) -> Member {
        let member = Member::start();
        self.meet(&member);
        let id = member.id();
        wait_until("all know the newcomer", || {
            let knows = |other: &Member| other.server.command("CLUSTER NODES").contains(&id);
            let knows_all = |other: &Member| {
                let nodes = member.server.command("CLUSTER NODES");
                nodes.contains(&other.id())
            };
            self.masters.iter().all(|other| knows(other) && knows_all(other))
                && member.server.command("CLUSTER INFO").contains("cluster_state:ok")
        });
        member
    }

    /// Another one that follows the master `number`, up to date.
    pub(crate) fn replica_of(&self, number: usize) -> Member {
        let member = self.newcomer();
        let master = self.master(number);
        member.must(&format!("CLUSTER REPLICATE {}", master.id()));
        wait_until("the replica is up to date", || {
            let knows = |other: &Member| {
                let nodes = other.server.command("CLUSTER NODES");
                nodes.lines().any(|line| line.contains(&member.id()) && line.contains("slave"))
            };
            member.server.command("INFO replication").contains("master_link_status:up")
                && self.masters.iter().all(knows)
        });
        member
    }
}

impl Member {
    fn start() -> Self {
        let bus = free_port();
        let server = RedisServer::start_with(&[
            "--cluster-enabled",
            "yes",
            "--cluster-port",
            &bus.to_string(),
            "--cluster-node-timeout",
            "1000",
            "--cluster-require-full-coverage",
            "no",
            "--cluster-migration-barrier",
            "9",
        ]);
        Self { server, bus }
    }

    /// By which the others know it.
    pub(crate) fn id(&self) -> String {
        let answer = self.server.command("CLUSTER MYID");
        answer.lines().nth(1).unwrap().trim().to_owned()
    }

    pub(crate) fn must(&self, command: &str) {
        let answer = self.server.command(command);
        assert!(answer.starts_with("+OK"), "{command}: {answer}");
    }
}
