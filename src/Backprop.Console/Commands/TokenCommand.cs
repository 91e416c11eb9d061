using System.CommandLine;
using System.Globalization;
using Backprop.Console.Api.Access;
using Backprop.Console.Client;
using Backprop.Console.Rendering;
using Backprop.Distributed.Access;
using Backprop.Distributed.Configuration;

namespace Backprop.Console.Commands;

/// <summary><c>backprop token</c>: works on the state database itself, so that the first token can
/// be made before any node runs, and only by who can reach the database.</summary>
internal static class TokenCommand
{
    private static readonly string[] s_head =
        ["id", "role", "name", "created", "expires", "state"];

    public static Command Create(CommandEnvironment environment) =>
        new("token", "Make, list and revoke the tokens that a cluster's API wants")
        {
            Make(environment), List(environment), Revoke(environment),
        };

    private static Command Make(CommandEnvironment environment)
    {
        var role = new Option<string>("--role")
        {
            Description = "viewer looks, operator also hands runs in and steers them, admin may do"
                + " everything",
            HelpName = "viewer|operator|admin",
            Required = true,
        };
        role.AcceptOnlyFromAmong(
            [.. Enum.GetValues<AccessRole>().Select(AccessRules.NameOf)]);
        var name = new Option<string?>("--name")
        {
            Description = "What it is for, such as 'grafana' or whose it is",
            HelpName = "TEXT",
        };
        var expires = new Option<string?>("--expires")
        {
            Description = "How long it is good for, such as 90d or 12h [default: until it is"
                + " revoked]",
            HelpName = "TIME",
        };
        var save = new Option<bool>("--save")
        {
            Description = "Keep it for this user's commands, and do not print it",
        };
        Option<string?> server = ClientOptions.Server();
        var place = new DatabaseOptions();
        var command = new Command("create", "Make a token; it is shown this once")
        {
            role, name, expires, save, server,
        };
        place.AddTo(command);
        command.SetAction(result => Use(result, place, environment, async (tokens, wanted) =>
        {
            DateTimeOffset now = environment.Time.GetUtcNow();
            (string id, string text) = TokenText.Generate();
            var token = new AccessToken(
                id, NameOf(result.GetValue(name)),
                Enum.Parse<AccessRole>(result.GetRequiredValue(role), ignoreCase: true), now,
                result.GetValue(expires) is { } life
                    ? now + Lifetime.Parse("--expires", life)
                    : null,
                Revoked: null);
            await tokens.AddAsync(token, TokenText.HashOf(text), now, CancellationToken.None);
            string until = token.Expires is { } end ? $"until {Written(end)}" : "until revoked";
            string what = $"token {id}, role {AccessRules.NameOf(token.Role)}, good {until}";
            if (!result.GetValue(save))
            {
                wanted.Answer(TokenDescription.Of(token, now) with { Token = text }, [text]);
                if (!wanted.IsJson)
                {
                    wanted.Error.WriteLine($"{what}; nobody can show it again");
                }

                return ExitCode.Done;
            }

            Uri address = ServerAddress.Find(result.GetValue(server), environment.Variables);
            string file = ClientToken.FileBeside(ServerAddress.File);
            ClientToken.Save(address, text, file);
            wanted.Answer(
                TokenDescription.Of(token, now), [$"{what}, kept for {address} in {file}"]);
            return ExitCode.Done;
        }));
        return command;
    }

    private static Command List(CommandEnvironment environment)
    {
        var place = new DatabaseOptions();
        var command = new Command("list", "List tokens, the newest first");
        place.AddTo(command);
        command.SetAction(result => Use(result, place, environment, async (tokens, wanted) =>
        {
            DateTimeOffset now = environment.Time.GetUtcNow();
            var all = await tokens.ListAsync(CancellationToken.None);
            wanted.Answer(all.Select(token => TokenDescription.Of(token, now)), all.IsEmpty
                ? ["there are no tokens; 'backprop token create --role admin' makes one"]
                : TextTable.Write(
                    s_head, [.. all.Select(token => Row(token, now))], wanted.Width));
            return ExitCode.Done;
        }));
        return command;
    }

    private static Command Revoke(CommandEnvironment environment)
    {
        Argument<string> id = SharedOptions.FileArgument(
            "ID", "The token's identifier, as 'token list' shows it");
        var place = new DatabaseOptions();
        var command = new Command("revoke", "Take a token back, at once and for good") { id };
        place.AddTo(command);
        command.SetAction(result => Use(result, place, environment, async (tokens, wanted) =>
        {
            string which = result.GetRequiredValue(id);
            if (TokenText.TryParse(which, out string? meant))
            {
                which = meant;
            }

            if (!await tokens.RevokeAsync(
                which, environment.Time.GetUtcNow(), CancellationToken.None))
            {
                throw new MistakeException(
                    $"there is no token '{which}'; 'backprop token list' shows those that there"
                    + " are");
            }

            wanted.Answer(
                new { id = which }, [$"{which} is revoked; nodes refuse it within 5 s"]);
            return ExitCode.Done;
        }));
        return command;
    }

    private static int Use(
        ParseResult result, DatabaseOptions place, CommandEnvironment environment,
        Func<AccessTokens, CommandEnvironment, Task<int>> use)
    {
        NodeConfiguration node = place.Read(result, environment);
        using var tokens = new AccessTokens(node.State.Options, node.State.OpeningPatience);
        return use(tokens, environment.For(result)).GetAwaiter().GetResult();
    }

    private static string[] Row(AccessToken token, DateTimeOffset now) =>
    [
        token.Id, AccessRules.NameOf(token.Role), token.Name.Length == 0 ? "-" : token.Name,
        Written(token.Created), token.Expires is { } expires ? Written(expires) : "never",
        TokenDescription.StateOf(token, now),
    ];

    private static string NameOf(string? name) => name switch
    {
        null => "",
        { Length: > AccessToken.MaxNameLength } => throw new MistakeException(
            $"--name has more than {AccessToken.MaxNameLength} letters"),
        _ when name.Any(char.IsControl) => throw new MistakeException(
            "--name is one line of text"),
        _ => name.Trim(),
    };

    private static string Written(DateTimeOffset time) => time.ToLocalTime()
        .ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);

    /// <summary>Which database, as <c>backprop node</c> is told it.</summary>
    private sealed class DatabaseOptions
    {
        private readonly Option<string?> _configuration = SharedOptions.Configuration();
        private readonly Option<string?> _state = new("--state")
        {
            Description = "The state database's directory [default: ~/.backprop]",
            HelpName = "DIR",
        };

        public void AddTo(Command command)
        {
            command.Add(_configuration);
            command.Add(_state);
        }

        public NodeConfiguration Read(ParseResult result, CommandEnvironment environment)
        {
            var variables = environment.Variables.ToDictionary();
            if (result.GetValue(_state) is { } directory)
            {
                variables["BACKPROP__PERSISTENCE__DIRECTORY"] = directory;
            }

            return SharedOptions.ReadNode(
                result.GetValue(_configuration), threads: null,
                environment with { Variables = variables });
        }
    }
}
