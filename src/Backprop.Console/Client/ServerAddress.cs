namespace Backprop.Console.Client;

/// <summary>Where the cluster's API is.</summary>
internal static class ServerAddress
{
    /// <summary>Names the API's address where no option does.</summary>
    public const string Variable = "BACKPROP_SERVER";

    /// <summary>The port that the API is served at where nothing else is said.</summary>
    public const int DefaultPort = 8470;

    private static readonly string s_default = $"http://127.0.0.1:{DefaultPort}";

    /// <summary>The file that holds the address of the development cluster of this user.</summary>
    public static string File => Path.Combine(
        Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".backprop", "server");

    /// <summary>The option's value, else the variable's, else that of the development cluster that
    /// was started last, else the default.</summary>
    /// <exception cref="MistakeException">It is no address.</exception>
    public static Uri Find(string? option, IReadOnlyDictionary<string, string> variables)
    {
        (string text, string from) = option is not null ? (option, "--server")
            : variables.TryGetValue(Variable, out string? value) && value.Length > 0
                ? (value, Variable)
            : System.IO.File.Exists(File) ? (System.IO.File.ReadAllText(File).Trim(), File)
            : (s_default, "the default");
        return Uri.TryCreate(text, UriKind.Absolute, out Uri? address)
            && address.Scheme is "http" or "https"
            ? address
            : throw new MistakeException(
                $"{from}: '{text}' is no address of a cluster's API; {s_default} would be one");
    }
}
