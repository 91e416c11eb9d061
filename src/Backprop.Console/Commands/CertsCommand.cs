using System.Collections.Immutable;
using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Backprop.Console.Storage;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Security;

namespace Backprop.Console.Commands;

/// <summary><c>backprop certs</c>: the cluster's own authority, in a directory of files. Nothing is
/// asked of a cluster, so that certificates can be made before there is one, and on a machine that
/// none of its nodes reaches.</summary>
internal static class CertsCommand
{
    private const string Authority = "authority";
    private const string DefaultDirectory = "certs";
    private const int MaxNameLength = 64;
    private const int MaxHosts = 64;

    public static Command Create(CommandEnvironment environment) =>
        new("certs", "Make the certificates that a cluster's nodes know each other by")
        {
            Init(environment), Issue(environment), Show(environment),
        };

    private static Command Init(CommandEnvironment environment)
    {
        Option<string> directory = Directory();
        var name = new Option<string>("--name")
        {
            Description = "What the authority is called [default: backprop authority]",
            HelpName = "TEXT",
            DefaultValueFactory = _ => "backprop authority",
        };
        Option<string> life = Life("3650d");
        var command = new Command(
            "init", "Make a cluster's authority: authority.pem, which every node has, and"
                + " authority-key.pem, which none has")
        {
            directory, name, life,
        };
        command.SetAction(result =>
        {
            CommandEnvironment wanted = environment.For(result);
            string at = result.GetRequiredValue(directory);
            var files = new CertificatePair(at, Authority);
            if (File.Exists(files.Certificate) || File.Exists(files.Key))
            {
                throw new MistakeException(
                    $"there is an authority in '{at}': certificates that it has issued would be"
                    + " good no more; --directory names another one");
            }

            CertifiedKey made = CertificateAuthority.Create(
                CheckName("--name", result.GetRequiredValue(name)), wanted.Time.GetUtcNow(),
                Lifetime.Parse("--life", result.GetRequiredValue(life)));
            files.Write(made);
            Answer(
                wanted, files, "keep the key away from the nodes: who has it makes certificates");
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Issue(CommandEnvironment environment)
    {
        Argument<string> name = SharedOptions.FileArgument(
            "NAME", "What the node is called; its files are NAME.pem and NAME-key.pem");
        Option<string> directory = Directory();
        var roles = new Option<string>("--roles")
        {
            Description = $"What it may be, one or more of {string.Join(',', RoleNames.All)}",
            HelpName = "LIST",
            Required = true,
        };
        var hosts = new Option<string[]>("--host")
        {
            Description = "A name or an address that the API is reached at there, beside localhost;"
                + " may be given several times",
            HelpName = "HOST",
            DefaultValueFactory = _ => [],
        };
        Option<string> life = Life("90d");
        var command = new Command(
            "issue", "Make a node's certificate and key; those of the same name are replaced, which"
                + " running nodes notice")
        {
            name, directory, roles, hosts, life,
        };
        command.SetAction(result =>
        {
            CommandEnvironment wanted = environment.For(result);
            string at = result.GetRequiredValue(directory);
            string called = CheckName("NAME", result.GetRequiredValue(name));
            if (called == Authority)
            {
                throw new MistakeException("NAME: the authority is called so; give another name");
            }

            CertifiedKey made = CertificateAuthority.Issue(
                ReadAuthority(at), called, Roles(result.GetRequiredValue(roles)),
                Hosts(result.GetRequiredValue(hosts)), wanted.Time.GetUtcNow(),
                Lifetime.Parse("--life", result.GetRequiredValue(life)));
            var files = new CertificatePair(at, called);
            files.Write(made);
            Answer(wanted, files, $"the node has these two, and {Authority}.pem");
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Show(CommandEnvironment environment)
    {
        Argument<string> file = SharedOptions.FileArgument("FILE", "Certificates, in PEM");
        var command = new Command("show", "Say what certificates are for, and until when") { file };
        command.SetAction(result =>
        {
            CommandEnvironment wanted = environment.For(result);
            ImmutableArray<CertificateView> all =
            [
                .. CertificateFiles.ReadAll(result.GetRequiredValue(file))
                    .Select(CertificateView.Of),
            ];
            wanted.Answer(all, all.SelectMany(one => one.Lines()));
            return ExitCode.Done;
        });
        return command;
    }

    private static Option<string> Directory() => new("--directory")
    {
        Description = $"Where the authority's files are [default: {DefaultDirectory}]",
        HelpName = "DIR",
        DefaultValueFactory = _ => DefaultDirectory,
    };

    private static Option<string> Life(string usual) => new("--life")
    {
        Description = $"How long it is good for, such as 90d or 12h [default: {usual}]",
        HelpName = "TIME",
        DefaultValueFactory = _ => usual,
    };

    // It becomes the name of files.
    private static string CheckName(string what, string name) =>
        name.Length is > 0 and <= MaxNameLength && name[0] is not ('-' or '.' or ' ')
            && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or ' ')
            ? name
            : throw new MistakeException(
                $"{what}: '{name}' is not up to {MaxNameLength} letters, digits, '-', '_', '.' and"
                + " spaces, with a letter or digit first");

    private static NodeRoles Roles(string list)
    {
        NodeRoles roles = NodeRoles.None;
        foreach (string name in list.Split(
            ',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            NodeRoles role = RoleNames.Find(name);
            roles |= role != NodeRoles.None
                ? role
                : throw new MistakeException(
                    $"--roles: there is no role '{name}'; the roles are"
                    + $" {string.Join(", ", RoleNames.All)}");
        }

        return roles != NodeRoles.None
            ? roles
            : throw new MistakeException(
                $"--roles is empty; give one or more of {string.Join(", ", RoleNames.All)}");
    }

    private static string[] Hosts(string[] hosts)
    {
        if (hosts.Length > MaxHosts)
        {
            throw new MistakeException($"--host may be given {MaxHosts} times");
        }

        // A name may begin with a star, for all that end like it.
        string? wrong = hosts.FirstOrDefault(host => Uri.CheckHostName(
            host.StartsWith("*.", StringComparison.Ordinal) ? host[2..] : host)
            == UriHostNameType.Unknown);
        return wrong is null
            ? hosts
            : throw new MistakeException(
                $"--host: '{wrong}' is neither the name of a host nor an address");
    }

    private static CertifiedKey ReadAuthority(string directory)
    {
        var files = new CertificatePair(directory, Authority);
        return File.Exists(files.Certificate) && File.Exists(files.Key)
            ? new CertifiedKey(
                File.ReadAllText(files.Certificate), File.ReadAllText(files.Key))
            : throw new MistakeException(
                $"there is no authority in '{directory}': 'backprop certs init' makes one,"
                + " --directory names another directory");
    }

    private static void Answer(CommandEnvironment wanted, CertificatePair files, string advice)
    {
        using X509Certificate2 made =
            X509CertificateLoader.LoadCertificateFromFile(files.Certificate);
        var view = CertificateView.Of(made);
        wanted.Answer(
            new { files.Certificate, files.Key, view.Name, view.Roles, view.Hosts, view.NotAfter },
            [
                .. view.Lines(), $"certificate  {files.Certificate}", $"key          {files.Key}",
                advice,
            ]);
    }

    // A certificate and its key, by their names.
    private sealed record CertificatePair(string Directory, string Name)
    {
        public string Certificate => Path.Combine(Directory, $"{Name}.pem");

        public string Key => Path.Combine(Directory, $"{Name}-key.pem");

        // Whoever reads them in between finds that they do not belong together, and tries again.
        public void Write(CertifiedKey made)
        {
            System.IO.Directory.CreateDirectory(Directory);
            DurableFile.WritePrivate(Key, made.Key);
            DurableFile.WriteText(Certificate, made.Certificate + "\n");
        }
    }

    private sealed record CertificateView(
        string Name, string Issuer, ImmutableArray<string> Roles, ImmutableArray<string> Hosts,
        DateTimeOffset NotBefore, DateTimeOffset NotAfter, string Sha256)
    {
        public static CertificateView Of(X509Certificate2 certificate)
        {
            X509SubjectAlternativeNameExtension? names = certificate.Extensions
                .OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault();
            return new CertificateView(
                PeerCheck.NameOf(certificate),
                certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: true),
                [.. RoleNames.OfEach(CertifiedRoles.Of(certificate))],
                [
                    .. names?.EnumerateDnsNames() ?? [],
                    .. (names?.EnumerateIPAddresses() ?? []).Select(address => $"{address}"),
                ],
                certificate.NotBefore, certificate.NotAfter,
                certificate.GetCertHashString(
                    HashAlgorithmName.SHA256).ToLowerInvariant());
        }

        public IEnumerable<string> Lines()
        {
            yield return $"name         {Name}";
            yield return $"issued by    {Issuer}";
            if (!Roles.IsEmpty)
            {
                yield return $"roles        {string.Join(", ", Roles)}";
            }

            if (!Hosts.IsEmpty)
            {
                yield return $"hosts        {string.Join(", ", Hosts)}";
            }

            yield return $"good         {PeerCheck.Written(NotBefore.UtcDateTime)} to"
                + $" {PeerCheck.Written(NotAfter.UtcDateTime)}";
            yield return $"sha-256      {Sha256}";
        }
    }
}
