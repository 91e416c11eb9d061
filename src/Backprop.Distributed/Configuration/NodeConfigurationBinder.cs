using System.Collections.Immutable;
using System.Data.Common;
using System.Globalization;
using System.Net;
using Akka.Event;
using Backprop.Distributed.Cluster;
using Backprop.Distributed.Links;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Backprop.Models.Plugins;
using Backprop.Training.Protocol;
using Npgsql;

namespace Backprop.Distributed.Configuration;

/// <summary>What the settings come to, section by section, and whether they agree.</summary>
internal static class NodeConfigurationBinder
{
    private const string Sqlite = "sqlite";
    private const string PostgreSql = "postgresql";
    private const int MaxThreads = 1024;
    private const double MaxShare = 0.5;
    private const int MinKept = 2;
    private const int MaxKept = 1000;
    private const int MaxNameLength = 64;
    private const int MaxJoin = 64;
    private const int MaxCoordinators = 7;
    private const int MaxQueue = 1 << 20;
    private const int MaxAttempts = 100;
    private const int MaxLinks = 1 << 16;
    private const int MaxRoots = 64;
    private const int MaxPlugins = 64;
    private const int MaxApiNames = 64;

    private static readonly TimeSpan s_instant = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_minute = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_hour = TimeSpan.FromHours(1);
    private static readonly TimeSpan s_day = TimeSpan.FromDays(1);

    /// <summary>Reads every section. The result is good only if no mistake was noted.</summary>
    public static NodeConfiguration Bind(SettingReader settings)
    {
        var configuration = new NodeConfiguration
        {
            ComputeThreads = settings.Integer("compute.threads", 0, MaxThreads),
            Output = settings.Text("output", "the name of a directory"),
            Checkpoint = new CheckpointConfiguration(
                settings.Duration("checkpoint.interval", s_second, s_day),
                settings.Integer("checkpoint.keep", MinKept, MaxKept)),
            Copies = new CopyOptions
            {
                Share = settings.Number("copies.share", 0, MaxShare),
                LeastInterval = settings.Duration("copies.interval", s_instant, s_day),
            },
            Cluster = Cluster(settings),
            Member = Member(settings),
            Links = Links(settings),
            State = State(settings),
            Data = new DataConfiguration(
                settings.Directory("data.directory"), settings.Directory("data.cache"))
            {
                Roots = settings.Directories("data.roots", MaxRoots),
            },
            Plugins = Plugins(settings),
            Api = Api(settings),
            Tls = Tls(settings),
            IsInsecure = settings.Boolean("insecure"),
            Metrics = new MetricsConfiguration(
                settings.Choice("metrics.enabled", "false", "true") == "true",
                settings.Host("metrics.host"), settings.Port("metrics.port")),
            Otlp = Otlp(settings),
            Log = Log(settings),
        };
        CheckAgreement(configuration, settings);
        return configuration;
    }

    private static PluginConfiguration Plugins(SettingReader settings)
    {
        const string key = "plugins.allow";
        var allowed = ImmutableArray.CreateBuilder<AllowedPlugin>();
        foreach (string text in settings.List(key, MaxPlugins))
        {
            if (!AllowedPlugin.TryParse(text, out AllowedPlugin? plugin))
            {
                settings.Mistake(key, $"'{text}' is not {AllowedPlugin.Form}");
            }
            else if (allowed.Any(other => other.File == plugin.File))
            {
                settings.Mistake(key, $"has {plugin.File} twice");
            }
            else
            {
                allowed.Add(plugin);
            }
        }

        return new PluginConfiguration(
            settings.Directory("plugins.folder"), allowed.ToImmutable());
    }

    private static ClusterConfiguration Cluster(SettingReader settings)
    {
        string name = settings.Text("cluster.name", "a name, such as backprop");
        if (name.Length > MaxNameLength || (name.Length > 0 && !char.IsAsciiLetter(name[0]))
            || !name.All(c => char.IsAsciiLetterOrDigit(c) || c == '-'))
        {
            settings.Mistake(
                "cluster.name", $"'{name}' is not a letter, followed by up to {MaxNameLength - 1}"
                + " letters, digits and dashes");
        }

        int coordinators = settings.Integer("cluster.coordinators", 1, MaxCoordinators);
        if (coordinators % 2 == 0)
        {
            settings.Mistake(
                "cluster.coordinators", $"of {coordinators} there is no majority when half of them"
                + $" are lost; {coordinators - 1} or {coordinators + 1} would be right");
        }

        return new ClusterConfiguration(
            name, [.. settings.List("cluster.join", MaxJoin).Select(
                text => Address(text, "cluster.join", settings))],
            coordinators,
            settings.Duration("cluster.acceptable-pause", s_second, TimeSpan.FromMinutes(5)),
            settings.Duration("cluster.stable-after", s_second, TimeSpan.FromMinutes(5)),
            settings.Duration("cluster.join-deadline", s_second, s_day),
            settings.Duration("cluster.rejoin-deadline", s_second, s_day));
    }

    private static NodeAddress Address(string text, string key, SettingReader settings)
    {
        int colon = text.LastIndexOf(':');
        string host = colon < 0 ? text : text[..colon];
        if (host is ['[', .., ']'])
        {
            host = host[1..^1];
        }

        if (colon > 0 && SettingReader.IsHost(host)
            && ushort.TryParse(
                text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture,
                out ushort port)
            && port > 0)
        {
            return new NodeAddress(host, port);
        }

        settings.Mistake(
            key, $"'{text}' is not a host and a port, written like node-1.example.org:8471");
        return new NodeAddress(host, 0);
    }

    private static MemberConfiguration Member(SettingReader settings)
    {
        NodeRoles roles = NodeRoles.None;
        foreach (string name in settings.List("node.roles", RoleNames.All.Length))
        {
            NodeRoles role = RoleNames.Find(name);
            roles |= role;
            if (role == NodeRoles.None)
            {
                settings.Mistake(
                    "node.roles", $"there is no role '{name}'; the roles are "
                    + string.Join(", ", RoleNames.All));
            }
        }

        if (roles == NodeRoles.None)
        {
            settings.Mistake(
                "node.roles", "is empty; give one or more of "
                + string.Join(", ", RoleNames.All));
        }

        return new MemberConfiguration(
            settings.Host("node.host"), settings.Port("node.port"), roles,
            settings.Duration("node.shutdown-grace", s_second, s_hour),
            settings.HostOrNone("node.bind-host"), settings.Port("node.bind-port"))
        {
            AnnouncedVersion = AnnouncedVersion(settings),
        };
    }

    private static SoftwareVersion? AnnouncedVersion(SettingReader settings)
    {
        const string key = "node.announced-version";
        string text = settings.TextOrNone(key);
        SoftwareVersion? version = SoftwareVersion.Parse(text);
        if (text.Length > 0 && version is null)
        {
            settings.Mistake(
                key, $"'{text}' is no version, written like 0.2.0/2/1/1: release, protocol, the"
                + " oldest protocol that it understands, arithmetic");
        }

        return version;
    }

    private static LinksConfiguration Links(SettingReader settings)
    {
        int bulkWindow = settings.Integer("links.bulk-window", 1, ushort.MaxValue);
        int smallWindow = settings.Integer("links.small-window", 1, ushort.MaxValue);
        int maxAccepted = settings.Integer("links.max-accepted", 1, MaxLinks);
        var options = new LinkOptions
        {
            BulkWindow = bulkWindow,
            SmallWindow = smallWindow,
            BulkBuffers = settings.Integer("links.bulk-buffers", bulkWindow, MaxQueue),
            SmallBuffers = settings.Integer("links.small-buffers", smallWindow, MaxQueue),
            BulkQueue = settings.Integer("links.bulk-queue", 1, MaxQueue),
            SmallQueue = settings.Integer("links.small-queue", 1, MaxQueue),
            MaxAccepted = maxAccepted,
            MaxAcceptedPerNode = settings.Integer("links.max-accepted-per-node", 1, maxAccepted),
            OpeningDeadline = settings.Duration("links.opening-deadline", s_instant, s_hour),
            DialAttempts = settings.Integer("links.dial-attempts", 1, MaxAttempts),
            DialBackoff = settings.Duration("links.dial-backoff", s_instant, s_hour),
            SilenceDeadline = settings.Duration("links.silence-deadline", s_instant, s_hour),
            FrameDeadline = settings.Duration("links.frame-deadline", s_instant, s_hour),
            ClosingDeadline = settings.Duration("links.closing-deadline", s_instant, s_hour),
        };
        return new LinksConfiguration(
            settings.Port("links.port"), options, settings.Port("links.bind-port"))
        {
            AreLocal = settings.Choice("links.local", "auto", "off") == "auto",
            LocalDirectory = settings.FileOrNone("links.local-directory"),
        };
    }

    private static ApiConfiguration Api(SettingReader settings)
    {
        var api = new ApiConfiguration(settings.Host("api.host"), settings.Port("api.port"))
        {
            Tokens = settings.Choice("api.tokens", "auto", "required", "off") switch
            {
                "required" => TokenUse.Required,
                "off" => TokenUse.Off,
                _ => TokenUse.Auto,
            },
            IsInsecure = settings.Boolean("api.insecure"),
            Names = settings.List("api.names", MaxApiNames),
            Certificate = Files(settings, "api", "certificate", "key") is [var shown, var key]
                ? new ApiCertificate(shown, key)
                : null,
        };
        foreach (string name in api.Names.Where(name => !SettingReader.IsHost(name)))
        {
            settings.Mistake(
                "api.names", $"'{name}' is neither the name of a host nor an address; give it"
                + " without a port");
        }

        bool isLocal = api.Host == "localhost"
            || (IPAddress.TryParse(api.Host, out IPAddress? address)
                && IPAddress.IsLoopback(address));
        if (api.Tokens == TokenUse.Off && !api.IsInsecure && !isLocal)
        {
            settings.Mistake(
                "api.tokens", $"is off, but api.host is {api.Host}, so that whoever reaches it may"
                + " do everything; auto would be right, or, if that is meant, api.insecure ="
                + " true beside it");
        }

        return api;
    }

    private static TlsConfiguration? Tls(SettingReader settings) =>
        Files(settings, "tls", "authority", "certificate", "key")
            is [var authority, var certificate, var key]
            ? new TlsConfiguration(authority, certificate, key)
            : null;

    // Names of files that are of use together only; null: there are none.
    private static string[]? Files(SettingReader settings, string section, params string[] keys)
    {
        string[] files = [.. keys.Select(key => settings.FileOrNone($"{section}.{key}"))];
        string[] missing = [.. keys.Where((_, i) => files[i].Length == 0)];
        if (missing.Length == keys.Length)
        {
            return null;
        }

        foreach (string key in missing)
        {
            settings.Mistake(
                $"{section}.{key}", "is empty, but backprop."
                + $"{section}.{keys.First(other => !missing.Contains(other))} is not:"
                + $" {string.Join(", ", keys)} are given together, or none of them");
        }

        return missing.Length == 0 ? files : null;
    }

    private static StateConfiguration State(SettingReader settings)
    {
        string provider = settings.Choice("persistence.provider", Sqlite, PostgreSql);
        string connection = settings.Secret("persistence.connection-string");
        string password = settings.SecretFile("persistence.password-file");
        PersistenceOptions options = provider == PostgreSql
            ? new PersistenceOptions.PostgreSql(
                Connection(connection, password, settings), Schema(settings))
            : new PersistenceOptions.Sqlite(settings.Directory("persistence.directory"));
        if (provider == Sqlite && connection.Length > 0)
        {
            settings.Mistake(
                "persistence.connection-string", "is given, but persistence.provider is sqlite;"
                + " postgresql would be right");
        }

        if (provider == Sqlite && password.Length > 0)
        {
            settings.Mistake(
                "persistence.password-file", "is given, but persistence.provider is sqlite;"
                + " postgresql would be right");
        }

        options = options with
        {
            CallTimeout = settings.Duration("persistence.call-timeout", s_second, s_hour),
            RecoveryTimeout = settings.Duration("persistence.recovery-timeout", s_second, s_hour),
        };
        var patience = new StoragePatience(
            settings.Duration("persistence.piece-deadline", s_second, s_hour),
            settings.Integer("persistence.piece-attempts", 1, MaxAttempts),
            settings.Duration("persistence.piece-first-delay", s_instant, s_minute));
        return new StateConfiguration(
            options, patience,
            settings.Duration("persistence.opening-patience", s_second, s_hour));
    }

    private static OtlpConfiguration Otlp(SettingReader settings)
    {
        string endpoint = settings.TextOrNone("otlp.endpoint");
        bool isAddress = Uri.TryCreate(endpoint, UriKind.Absolute, out Uri? address)
            && address.Scheme is "http" or "https";
        if (endpoint.Length > 0 && !isAddress)
        {
            settings.Mistake(
                "otlp.endpoint", $"'{endpoint}' is no address, written like http://collector:4317");
        }

        return new OtlpConfiguration(
            isAddress ? address : null, settings.Integer("otlp.trace-every", 0, int.MaxValue));
    }

    private static LogConfiguration Log(SettingReader settings) => new(
        settings.Choice("log.format", "auto", "text", "json") switch
        {
            "text" => LogFormat.Text,
            "json" => LogFormat.Json,
            _ => null,
        },
        settings.Choice("log.level", "info", "debug", "warning", "error") switch
        {
            "debug" => LogLevel.DebugLevel,
            "warning" => LogLevel.WarningLevel,
            "error" => LogLevel.ErrorLevel,
            _ => LogLevel.InfoLevel,
        });

    private static string Connection(string text, string password, SettingReader settings)
    {
        const string key = "persistence.connection-string";
        const string right =
            "it would be like Host=db;Database=backprop;Username=backprop;Password=...";
        try
        {
            // The text may hold a password, so no message repeats it.
            var connection = new NpgsqlConnectionStringBuilder(text);
            if (string.IsNullOrEmpty(connection.Host))
            {
                settings.Mistake(key, $"names no host; {right}");
            }

            // Kerberos, which hardly any database is reached by, would be looked for first: where
            // the machine has no library for it, that says so at every start.
            if (!Names(text, "gssencryptionmode"))
            {
                connection.GssEncryptionMode = GssEncryptionMode.Disable;
            }

            if (password.Length == 0)
            {
                return connection.ConnectionString;
            }

            if (!string.IsNullOrEmpty(connection.Password))
            {
                settings.Mistake(
                    "persistence.password-file", "is given, and so is Password= in"
                    + " persistence.connection-string; one of them would be right");
            }

            connection.Password = password;
            return connection.ConnectionString;
        }
        catch (ArgumentException)
        {
            settings.Mistake(key, $"cannot be read; {right}");
            return text;
        }
    }

    // Names of connection strings may be written with blanks, and in any case.
    private static bool Names(string connection, string name) =>
        new DbConnectionStringBuilder { ConnectionString = connection }.Keys!.Cast<string>()
            .Any(key => key.Replace(" ", "").Equals(name, StringComparison.OrdinalIgnoreCase));

    private static string Schema(SettingReader settings)
    {
        const string key = "persistence.schema";
        // PostgreSQL cuts longer names off, and two clusters would then share one.
        const int maxLength = 63;
        string name = settings.Text(key, "a name, such as backprop");
        if (name.Length > maxLength
            || !name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_'))
        {
            settings.Mistake(
                key, $"'{name}' is not up to {maxLength} lower-case letters, digits and '_'");
        }

        return name;
    }

    // What others are to dial has to be known before anything listens.
    private static void CheckPorts(SettingReader settings, string section, int port, int bindPort)
    {
        if (port == 0 && bindPort != 0)
        {
            settings.Mistake(
                $"{section}.port", $"is 0, but {section}.bind-port is {bindPort}; the port at which"
                + " others reach it would be right");
        }
    }

    private static void CheckAgreement(NodeConfiguration configuration, SettingReader settings)
    {
        CheckPorts(
            settings, "node", configuration.Member.Port, configuration.Member.BindPort);
        CheckPorts(settings, "links", configuration.Links.Port, configuration.Links.BindPort);
        if (configuration.Cluster.Coordinators > 1
            && configuration.State.Options is PersistenceOptions.Sqlite)
        {
            settings.Mistake(
                "persistence.provider", "sqlite lies on one machine, but with"
                + $" {configuration.Cluster.Coordinators} coordinators each must reach the"
                + " database; postgresql would be right");
        }

        if (configuration.Cluster.Join.IsEmpty
            && !configuration.Member.Roles.HasFlag(NodeRoles.Coordinator))
        {
            settings.Mistake(
                "cluster.join", "is empty, but a node founds a cluster only in the role"
                + " coordinator; give a node to join, or add the role to node.roles");
        }
    }
}
