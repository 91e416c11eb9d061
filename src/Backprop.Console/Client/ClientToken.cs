using System.Text;
using Backprop.Console.Storage;
using Backprop.Distributed.Access;

namespace Backprop.Console.Client;

/// <summary>The token that a command shows a cluster.</summary>
/// <param name="Text">The token.</param>
/// <param name="From">Where it was found, for messages.</param>
internal sealed record ClientToken(string Text, string From)
{
    /// <summary>Holds the token where no option does.</summary>
    public const string Variable = "BACKPROP_TOKEN";

    private const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    /// <summary>The file that holds this user's tokens, a line each: a cluster's address, a space,
    /// and the token. It is beside the one with the cluster's address.</summary>
    public static string FileBeside(string serverFile) =>
        Path.Combine(Path.GetDirectoryName(serverFile)!, "token");

    /// <summary>The option's value, else the variable's, else what the file has for this cluster;
    /// a token that is kept for one is shown to no other.</summary>
    /// <param name="option">Of <c>--token</c>; null: it is not given.</param>
    /// <param name="server">The cluster's address.</param>
    /// <param name="variables">Environment variables.</param>
    /// <param name="file">See <see cref="FileBeside"/>.</param>
    /// <returns>Null: there is none.</returns>
    /// <exception cref="MistakeException">It is no token, or others can read the file.</exception>
    public static ClientToken? Find(
        string? option, Uri server, IReadOnlyDictionary<string, string> variables, string file)
    {
        ClientToken? found = option is not null ? new ClientToken(option.Trim(), "--token")
            : variables.TryGetValue(Variable, out string? value) && value.Length > 0
                ? new ClientToken(value.Trim(), Variable)
            : ReadFile(file).Where(line => line.Server == server)
                .Select(line => new ClientToken(line.Token, file)).LastOrDefault();
        return found is null || TokenText.TryParse(found.Text, out _)
            ? found
            : throw new MistakeException(
                $"{found.From}: this is no token; one begins with bp_, as 'backprop token create'"
                + " prints it");
    }

    /// <summary>Keeps a token for a cluster, in the place of the one before.</summary>
    public static void Save(Uri server, string token, string file)
    {
        var text = new StringBuilder();
        foreach ((Uri other, string kept) in ReadFile(file).Where(line => line.Server != server))
        {
            text.Append($"{other} {kept}\n");
        }

        text.Append($"{server} {token}\n");
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        DurableFile.WritePrivate(file, text.ToString());
    }

    /// <summary>Without the token.</summary>
    public override string ToString() => $"the token of {From}";

    private static IEnumerable<(Uri Server, string Token)> ReadFile(string file)
    {
        if (!File.Exists(file))
        {
            yield break;
        }

        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(file) & Others) != 0)
        {
            throw new MistakeException(
                $"others can read or write {file}, which holds tokens: 'chmod 600 {file}' keeps"
                + " them out; tokens that may have been read are better revoked");
        }

        foreach (string line in File.ReadLines(file))
        {
            string[] parts = line.Split(
                ' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            if (parts is [var address, var token]
                && Uri.TryCreate(address, UriKind.Absolute, out Uri? server))
            {
                yield return (server, token);
            }
        }
    }
}
