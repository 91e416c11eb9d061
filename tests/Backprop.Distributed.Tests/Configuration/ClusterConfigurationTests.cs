using System.Net;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Links;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Npgsql;

namespace Backprop.Distributed.Tests.Configuration;

/// <summary>The keys of a node in a cluster: their defaults, their limits, and what is said of a
/// mistake.</summary>
public sealed class ClusterConfigurationTests
{
    private const string Secret = "hunter2";
    private static readonly Dictionary<string, string> s_noEnvironment = [];

    [Fact]
    public void Defaults_are_those_of_the_code_and_reach_no_other_machine()
    {
        NodeConfiguration node = Read("");

        Assert.Equal(new LinkOptions(), node.Links.Options);
        Assert.Equal(8472, node.Links.Port);
        node.Links.Options.Validate();
        Assert.Equal(StoragePatience.Default, node.State.Patience);
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        Assert.Equal(
            new PersistenceOptions.Sqlite(Path.Combine(home, ".backprop")), node.State.Options);
        Assert.Equal("backprop", node.Cluster.Name);
        Assert.Empty(node.Cluster.Join);
        Assert.Equal(1, node.Cluster.Coordinators);
        Assert.Equal(TimeSpan.FromSeconds(10), node.Cluster.AcceptablePause);
        Assert.Equal(
            new MemberConfiguration(
                "127.0.0.1", 8471,
                NodeRoles.Coordinator | NodeRoles.ParameterServer | NodeRoles.Worker,
                TimeSpan.FromSeconds(30)),
            node.Member);
        Assert.Equal(
            new ApiConfiguration("127.0.0.1", 8470), node.Api with { Names = [] });
        Assert.Empty(node.Api.Names);
        Assert.Equal(TokenUse.Auto, node.Api.Tokens);
        Assert.Equal(
            new DataConfiguration(".", Path.Combine(home, ".backprop/data")),
            node.Data with { Roots = [] });
        Assert.Empty(node.Data.Roots);
    }

    [Fact]
    public void Sockets_of_the_machine_are_used_unless_they_are_left_out()
    {
        LinksConfiguration usual = Read("").Links;
        Assert.True(usual.AreLocal);
        Assert.Equal("", usual.LocalDirectory);

        LinksConfiguration other =
            Read("""links { local = off, local-directory = "/run/backprop" }""").Links;
        Assert.False(other.AreLocal);
        Assert.Equal("/run/backprop", other.LocalDirectory);

        var failure = Assert.Throws<NodeConfigurationException>(() => Read("links.local = on"));
        Assert.Contains("'on' is not auto or off", Assert.Single(failure.Mistakes));
    }

    [Fact]
    public void A_file_sets_every_section()
    {
        NodeConfiguration node = Read("""
            cluster { name = lab, join = ["a.example.org:8471", "[::1]:9"], coordinators = 3 }
            node {
              host = node-1, port = 8000, roles = [worker], shutdown-grace = 1m
              bind-host = "0.0.0.0", bind-port = 8471
            }
            links { port = 9000, bind-port = 8472, bulk-window = 4, silence-deadline = 3s }
            persistence {
              provider = postgresql, schema = lab, call-timeout = 7s, piece-attempts = 2
              connection-string = "Host=db;Username=u;Password=p"
            }
            data { directory = /data, cache = "~", roots = ["~/sets", /data] }
            api {
              host = "0.0.0.0", port = 80, tokens = off, insecure = true
              names = [console.example.org]
            }
            """);

        Assert.Equal(
            [new NodeAddress("a.example.org", 8471), new NodeAddress("::1", 9)],
            node.Cluster.Join.ToArray());
        Assert.Equal("[::1]:9", node.Cluster.Join[1].ToString());
        Assert.Equal(
            new MemberConfiguration(
                "node-1", 8000, NodeRoles.Worker, TimeSpan.FromMinutes(1), "0.0.0.0", 8471),
            node.Member);
        Assert.Equal((9000, 8472), (node.Links.Port, node.Links.BindPort));
        Assert.Equal(4, node.Links.Options.BulkWindow);
        Assert.Equal(TimeSpan.FromSeconds(3), node.Links.Options.SilenceDeadline);
        Assert.Equal(
            new PersistenceOptions.PostgreSql(
                "Host=db;Username=u;Password=p;GSS Encryption Mode=Disable", "lab")
            {
                CallTimeout = TimeSpan.FromSeconds(7),
            },
            node.State.Options);
        Assert.Equal(2, node.State.Patience.Attempts);
        Assert.Equal(
            Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), node.Data.Cache);
        Assert.Equal(
            [
                Path.Combine(
                    Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), "sets"),
                "/data",
            ],
            node.Data.Roots.ToArray());
        Assert.Equal(TokenUse.Off, node.Api.Tokens);
        Assert.True(node.Api.IsInsecure);
        Assert.Equal(["console.example.org"], node.Api.Names.ToArray());
    }

    [Fact]
    public void Environment_variables_set_lists_and_options_go_before_them()
    {
        var environment = new Dictionary<string, string>
        {
            ["BACKPROP__CLUSTER__JOIN"] = "a:1, b:2",
            ["BACKPROP__NODE__ROLES"] = "worker,parameter-server",
            ["BACKPROP__NODE__PORT"] = "9",
        };
        var options = new Dictionary<string, string> { ["backprop.node.port"] = "10" };

        NodeConfiguration node = NodeConfigurationReader.Read(null, environment, options);

        Assert.Equal(
            [new NodeAddress("a", 1), new NodeAddress("b", 2)], node.Cluster.Join.ToArray());
        Assert.Equal(NodeRoles.Worker | NodeRoles.ParameterServer, node.Member.Roles);
        Assert.Equal(10, node.Member.Port);
    }

    [Fact]
    public void An_option_that_is_no_key_is_a_mistake_of_the_program() =>
        Assert.Throws<ArgumentException>(() => NodeConfigurationReader.Read(
            null, s_noEnvironment, new Dictionary<string, string> { ["backprop.prot"] = "1" }));

    [Theory]
    [InlineData("cluster.name = \"my cluster\"", "backprop.cluster.name: 'my cluster' is not")]
    [InlineData("cluster.coordinators = 2", "coordinators: of 2 there is no majority")]
    [InlineData("cluster.coordinators = 9", "coordinators: '9' is not a whole number from 1 to 7")]
    [InlineData("cluster.coordinators = 3", "persistence.provider: sqlite lies on one machine")]
    [InlineData("cluster.join = [somewhere]", "cluster.join: 'somewhere' is not a host and a port")]
    [InlineData("cluster.join = [\"a:0\"]", "cluster.join: 'a:0' is not a host and a port")]
    [InlineData("cluster.join = [\"a b:1\"]", "cluster.join: 'a b:1' is not")]
    [InlineData("cluster.join = [[1]]", "cluster.join: '' is not a host and a port")]
    [InlineData("cluster.acceptable-pause = 10ms", "'10ms' is not a time from 1s to 5m")]
    [InlineData("node.host = \"a/b\"", "backprop.node.host: 'a/b' is neither the name of a host")]
    [InlineData("node.port = 65536", "backprop.node.port: '65536' is not a whole number from 0 to")]
    [InlineData(
        "node.roles = [worker, cook]", "there is no role 'cook'; the roles are coordinator")]
    [InlineData("node { port = 0, bind-port = 9 }", "node.port: is 0, but node.bind-port is 9")]
    [InlineData("links { port = 0, bind-port = 9 }", "links.port: is 0, but links.bind-port is 9")]
    [InlineData("node.bind-host = \"a/b\"", "backprop.node.bind-host: 'a/b' is neither")]
    [InlineData("node.roles = []", "backprop.node.roles: is empty")]
    [InlineData("node.roles = [worker]", "backprop.cluster.join: is empty")]
    [InlineData("node.shutdown-grace = 0s", "backprop.node.shutdown-grace: '0s'")]
    [InlineData("links.bulk-window = 0", "backprop.links.bulk-window: '0'")]
    [InlineData("links.bulk-buffers = 7", "backprop.links.bulk-buffers: '7' is not a whole number"
        + " from 8")]
    [InlineData("links.max-accepted-per-node = 513", "max-accepted-per-node: '513'")]
    [InlineData("links.frame-deadline = 2h", "backprop.links.frame-deadline: '2h' is not a time"
        + " from 10ms to 1h")]
    [InlineData("persistence.provider = mysql", "'mysql' is not sqlite or postgresql")]
    [InlineData("persistence.directory = \"\"", "backprop.persistence.directory: is empty")]
    [InlineData("persistence.provider = postgresql", "connection-string: names no host")]
    [InlineData(
        "persistence { provider = postgresql, connection-string = \"Host=db\", schema = A }",
        "backprop.persistence.schema: 'A' is not up to 63 lower-case letters")]
    [InlineData("data.cache = \"\"", "backprop.data.cache: is empty")]
    [InlineData("api.port = many", "backprop.api.port: 'many'")]
    [InlineData("api.tokens = sometimes", "'sometimes' is not auto or required or off")]
    [InlineData("api.insecure = perhaps", "backprop.api.insecure: 'perhaps' is not false or true")]
    [InlineData("api.names = [\"console:80\"]", "give it without a port")]
    [InlineData(
        "api { host = \"0.0.0.0\", tokens = off }",
        "backprop.api.tokens: is off, but api.host is 0.0.0.0")]
    [InlineData("api { host = node-1, tokens = off }", "api.insecure = true beside it")]
    public void A_bad_value_is_refused_by_its_key(string setting, string expected)
    {
        var failure = Assert.Throws<NodeConfigurationException>(() => Read(setting));

        Assert.Contains(failure.Mistakes, mistake => mistake.Contains(expected));
    }

    [Theory]
    [InlineData($"provider = postgresql, connection-string = \"Hots=db;Password={Secret}\"")]
    [InlineData($"provider = postgresql, connection-string = \"Password={Secret}\"")]
    [InlineData($"provider = sqlite, connection-string = \"Host=db;Password={Secret}\"")]
    public void A_connection_string_is_not_repeated(string settings)
    {
        var failure = Assert.Throws<NodeConfigurationException>(
            () => Read($"persistence {{ {settings} }}"));

        Assert.Contains("persistence.connection-string", Assert.Single(failure.Mistakes));
        Assert.DoesNotContain(Secret, failure.ToString());
    }

    [Theory]
    [InlineData("a b;c='d'\"e")]
    [InlineData("a b;c='d'\"e\n")]
    [InlineData("a b;c='d'\"e\r\n")]
    public void A_password_is_read_from_its_file(string content)
    {
        using var file = new SecretFile(content);

        NodeConfiguration node = Read($$"""
            persistence {
              provider = postgresql, connection-string = "Host=db;Username=u"
              password-file = "{{file.Path}}"
            }
            """);

        var options = Assert.IsType<PersistenceOptions.PostgreSql>(node.State.Options);
        var connection = new NpgsqlConnectionStringBuilder(options.Connection);
        Assert.Equal("a b;c='d'\"e", connection.Password);
        Assert.Equal("db", connection.Host);
        Assert.Equal("u", connection.Username);
    }

    [Theory]
    [InlineData("Host=db", GssEncryptionMode.Disable)]
    [InlineData("Host=db;GssEncryptionMode=Require", GssEncryptionMode.Require)]
    [InlineData("Host=db;gss encryption mode=Prefer", GssEncryptionMode.Prefer)]
    public void Kerberos_is_not_looked_for_unless_it_is_asked_for(
        string connection, GssEncryptionMode expected)
    {
        NodeConfiguration node = Read(
            $"persistence {{ provider = postgresql, connection-string = \"{connection}\" }}");

        var options = Assert.IsType<PersistenceOptions.PostgreSql>(node.State.Options);
        var read = new NpgsqlConnectionStringBuilder(options.Connection);
        Assert.Equal(("db", expected), (read.Host, read.GssEncryptionMode));
    }

    [Theory]
    [InlineData("postgresql", "Host=db;Password=p", Secret, "one of them would be right")]
    [InlineData("sqlite", "", Secret, "is given, but persistence.provider is sqlite")]
    [InlineData("postgresql", "Host=db", "\n", "is empty; it would hold the secret")]
    public void A_password_file_that_does_not_fit_is_refused_and_not_repeated(
        string provider, string connection, string content, string expected)
    {
        using var file = new SecretFile(content);

        var failure = Assert.Throws<NodeConfigurationException>(() => Read($$"""
            persistence {
              provider = {{provider}}, connection-string = "{{connection}}"
              password-file = "{{file.Path}}"
            }
            """));

        string mistake = Assert.Single(failure.Mistakes);
        Assert.Contains("backprop.persistence.password-file", mistake);
        Assert.Contains(expected, mistake);
        Assert.DoesNotContain(Secret, failure.ToString());
    }

    [Fact]
    public void A_password_file_that_is_not_there_or_is_something_else_is_named()
    {
        const string postgres = "provider = postgresql, connection-string = \"Host=db\"";
        using var large = new SecretFile(new string('x', 5_000));

        var missing = Assert.Throws<NodeConfigurationException>(() => Read(
            $"persistence {{ {postgres}, password-file = \"/nowhere/password\" }}"));
        var wrong = Assert.Throws<NodeConfigurationException>(() => Read(
            $"persistence {{ {postgres}, password-file = \"{large.Path}\" }}"));

        Assert.Contains("/nowhere/password cannot be read", Assert.Single(missing.Mistakes));
        Assert.Contains("has 5,000 bytes", Assert.Single(wrong.Mistakes));
    }

    [Fact]
    public void A_configuration_as_text_holds_no_secret()
    {
        NodeConfiguration node = Read($$"""
            persistence {
              provider = postgresql, connection-string = "Host=db;Password={{Secret}}"
            }
            """);

        Assert.DoesNotContain(Secret, node.ToString());
        Assert.DoesNotContain(Secret, $"{node.State.Options}");
    }

    [Fact]
    public void A_host_of_its_own_is_taken_as_it_is_and_auto_has_an_address()
    {
        var member = new MemberConfiguration(
            "node-1", 0, NodeRoles.Worker, TimeSpan.FromSeconds(1));

        Assert.Equal("node-1", member.ResolveHost());
        try
        {
            string name = (member with { Host = MemberConfiguration.AutoHost }).ResolveHost();
            Assert.NotEmpty(Dns.GetHostAddresses(name));
        }
        catch (NodeConfigurationException refusal)
        {
            // On a machine whose name has no address.
            Assert.Contains("backprop.node.host", Assert.Single(refusal.Mistakes));
        }
    }

    private static NodeConfiguration Read(string settings) => NodeConfigurationReader.Read(
        new ConfigurationText("node.conf", $"backprop {{\n{settings}\n}}"), s_noEnvironment);

    private sealed class SecretFile : IDisposable
    {
        public SecretFile(string content) => File.WriteAllText(Path, content);

        public string Path { get; } = System.IO.Path.GetTempFileName();

        public void Dispose() => File.Delete(Path);
    }
}
